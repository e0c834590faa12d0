"""Adam over one flat tensor, against torch's."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn

from nil_core.learning import FlatAdam, flatten


def test_steps_as_torchs_adam() -> None:
    ours = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    theirs = deepcopy(ours)
    flat, reference = FlatAdam(ours.parameters(), 0.01), torch.optim.Adam(theirs.parameters(), 0.01)
    for step in range(50):
        x = torch.randn(8, 3) * 10.0 ** (step % 5 - 3)
        flat.minimize(ours(x).square().mean())
        reference.zero_grad()
        theirs(x).square().mean().backward()
        reference.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


def test_other_parameters_of_the_graph_do_not_change() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 1)
    before = second.weight.clone()
    FlatAdam(first.parameters(), 0.1).minimize(second(first(torch.ones(1, 2))).sum())
    assert torch.equal(second.weight, before)
    assert second.weight.grad is None


def test_flattened_parameters_are_views() -> None:
    module, other = nn.Linear(3, 2), nn.Linear(3, 2)
    values = [parameter.clone() for parameter in module.parameters()]
    flat = flatten(module.parameters())
    assert all(map(torch.equal, values, module.parameters()))
    flat.zero_()
    assert not any(parameter.any() for parameter in module.parameters())
    module.load_state_dict(other.state_dict())
    assert torch.equal(flat, torch.cat([other.weight.flatten(), other.bias]))


def test_weight_decay_is_decoupled_and_applies_to_every_parameter() -> None:
    ours = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 1))
    theirs = deepcopy(ours)
    flat = FlatAdam(ours.parameters(), 0.01, weight_decay=0.3, beta1=0.5)
    reference = torch.optim.AdamW(theirs.parameters(), 0.01, betas=(0.5, 0.999), weight_decay=0.3)
    for _ in range(20):
        x = torch.randn(8, 3)
        flat.minimize(ours(x).square().mean())
        reference.zero_grad()
        theirs(x).square().mean().backward()
        reference.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)
    # With a zero gradient a step is the decay alone: a factor of 1 - learning rate x decay.
    module = nn.LayerNorm(4)
    FlatAdam(module.parameters(), 0.1, weight_decay=0.5).minimize((module(torch.ones(1, 4)) * 0).sum())
    torch.testing.assert_close(module.weight.detach(), torch.full((4,), 0.95))


def test_a_gradient_that_is_not_contiguous() -> None:
    ours, theirs = nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(2, 3))
    scale = torch.tensor([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.1]])
    FlatAdam([ours], 0.1).minimize((ours.mT * scale).square().sum())
    optimizer = torch.optim.Adam([theirs], 0.1)
    (theirs.mT * scale).square().sum().backward()
    optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_a_long_gradient_is_scaled_down() -> None:
    for scale in (0.01, 100.0):
        ours = nn.Linear(3, 2)
        theirs = deepcopy(ours)
        flat, reference = FlatAdam(ours.parameters(), 0.01), torch.optim.Adam(theirs.parameters(), 0.01)
        for size in (1.0, 3.0):  # of one step Adam's is the same for any scale of the gradient
            x = torch.randn(8, 3) * scale * size
            flat.minimize(ours(x).square().mean(), max_norm=0.5)
            reference.zero_grad()
            theirs(x).square().mean().backward()
            torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
            reference.step()
        torch.testing.assert_close(ours.weight, theirs.weight)
