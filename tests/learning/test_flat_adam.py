"""Adam over one flat tensor, against torch's."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn

from nil_core.learning import FlatAdam, flatten


def test_descends_as_torchs_adam_does() -> None:
    ours = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    theirs = deepcopy(ours)
    flat, reference = FlatAdam(ours.parameters(), 0.01), torch.optim.Adam(theirs.parameters(), 0.01)
    for step in range(50):
        x = torch.randn(8, 3) * 10.0 ** (step % 5 - 3)
        flat.descend(ours(x).square().mean())
        reference.zero_grad()
        theirs(x).square().mean().backward()
        reference.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


def test_other_parameters_of_the_graph_are_left_alone() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 1)
    before = second.weight.clone()
    FlatAdam(first.parameters(), 0.1).descend(second(first(torch.ones(1, 2))).sum())
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


def test_decay_is_decoupled_and_reaches_every_parameter() -> None:
    ours = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 1))
    theirs = deepcopy(ours)
    flat = FlatAdam(ours.parameters(), 0.01, decay=0.3, mean_decay=0.5)
    reference = torch.optim.AdamW(theirs.parameters(), 0.01, betas=(0.5, 0.999), weight_decay=0.3)
    for _ in range(20):
        x = torch.randn(8, 3)
        flat.descend(ours(x).square().mean())
        reference.zero_grad()
        theirs(x).square().mean().backward()
        reference.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)
    # Without a gradient nothing moves but by the decay: 1 - rate x decay, whatever Adam's moments say of size.
    still = nn.LayerNorm(4)
    FlatAdam(still.parameters(), 0.1, decay=0.5).descend((still(torch.ones(1, 4)) * 0).sum())
    torch.testing.assert_close(still.weight.detach(), torch.full((4,), 0.95))


def test_a_gradient_laid_out_otherwise_is_read_aright() -> None:
    ours, theirs = nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(2, 3))
    scale = torch.tensor([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.1]])
    FlatAdam([ours], 0.1).descend((ours.mT * scale).square().sum())
    optimizer = torch.optim.Adam([theirs], 0.1)
    (theirs.mT * scale).square().sum().backward()
    optimizer.step()
    torch.testing.assert_close(ours, theirs)
