"""Normalizer, replay, losses and penalties against closed forms and numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nil_core.learning import (
    Discriminator,
    FeatureReplay,
    RunningNormalizer,
    gradient_penalty,
    least_squares_loss,
    logistic_loss,
    squared_weights,
)
from nil_core.learning.normalizer import CLIP, MIN_STD


def test_running_statistics_are_those_of_all_rows() -> None:
    random = np.random.default_rng(0)
    rows = (random.normal(size=(300, 3)) * [1, 5, 0] + [0, -40, 7]).astype(np.float32)
    normalizer = RunningNormalizer(3)
    assert torch.equal(normalizer(torch.ones(2, 3)), torch.ones(2, 3)), "nothing is known yet"
    torch.export.export(normalizer, (torch.ones(2, 3),))  # it is part of exported policies
    for part in (rows[:1], rows[1:1], rows[1:120], rows[120:]):
        normalizer.update(torch.from_numpy(part))
    assert normalizer.count == 300
    assert np.allclose(normalizer.mean, rows.mean(0, dtype=np.float64))
    assert np.allclose(normalizer.std, np.maximum(rows.std(0, dtype=np.float64), MIN_STD))
    normalized = normalizer(torch.from_numpy(rows))
    assert normalized.dtype == torch.float32
    expected = ((rows - rows.mean(0)) / np.maximum(rows.std(0), MIN_STD)).clip(-CLIP, CLIP)
    assert np.allclose(normalized, expected, atol=1e-3)
    assert float(normalizer(torch.tensor([1e6, 0, 0]))[0]) == CLIP


def test_replay_keeps_the_newest_rows_and_goes_on_exactly() -> None:
    replay = FeatureReplay(5, 1)
    for first in (0, 3, 6):
        replay.add(np.arange(first, first + 3, dtype=np.float32)[:, None])
    drawn = replay.sample(500, torch.Generator().manual_seed(0))
    assert len(replay) == 5 and drawn.shape == (500, 1) and sorted(set(drawn[:, 0].tolist())) == [4, 5, 6, 7, 8]
    other = FeatureReplay(5, 1)
    other.restore(replay.state())
    for each in (replay, other):
        each.add(np.arange(20, 22, dtype=np.float32)[:, None])
    same = [each.sample(50, torch.Generator().manual_seed(1)) for each in (replay, other)]
    assert torch.equal(*same) and 4 not in same[0] and 21 in same[0]
    replay.add(np.arange(12, dtype=np.float32)[:, None])
    assert sorted(replay.state()["rows"][:, 0].tolist()) == [7, 8, 9, 10, 11]
    with pytest.raises(ValueError, match="do not fit"):
        FeatureReplay(4, 1).restore(replay.state())


def test_losses_are_the_equations() -> None:
    expert, agent = np.array([2.0, 1.0, -0.5]), np.array([-1.0, 0.5, 3.0])
    tensors = torch.tensor(expert), torch.tensor(agent)
    squares = 0.5 * (0.5 * ((expert - 1) ** 2).mean() + 0.5 * ((agent + 1) ** 2).mean())
    assert float(least_squares_loss(*tensors)) == pytest.approx(squares)
    chance = 1 / (1 + np.exp(-np.concatenate([expert, agent])))
    labels = np.repeat([1.0, 0.0], 3)
    entropy = -(labels * np.log(chance) + (1 - labels) * np.log(1 - chance)).mean()
    assert float(logistic_loss(*tensors)) == pytest.approx(entropy)


def test_gradient_penalty_is_that_of_a_network_whose_gradient_is_known() -> None:
    weights = torch.tensor([3.0, -4.0], requires_grad=True)
    inputs = torch.randn(7, 2, generator=torch.Generator().manual_seed(0))
    penalty = gradient_penalty(lambda x: x.square() @ weights, inputs)
    expected = (4 * inputs.square() @ weights.detach().square()).mean()
    assert float(penalty.detach()) == pytest.approx(float(expected), rel=1e-5)
    (gradient,) = torch.autograd.grad(penalty, weights)
    assert torch.allclose(gradient, 8 * weights.detach() * inputs.square().mean(0), rtol=1e-4)
    network = Discriminator(2, (8,), last_range=1.0)
    assert network.last.bias.item() == 0 and network.last.weight.abs().max() <= 1
    numeric = []
    for row in inputs.double():
        step = 1e-4 * torch.eye(2, dtype=torch.float64)
        double = network.double()
        slopes = [(double(row[None] + s) - double(row[None] - s)) / 2e-4 for s in step]
        numeric.append(sum(float(slope.detach()) ** 2 for slope in slopes))
    assert float(gradient_penalty(network, inputs.double()).detach()) == pytest.approx(np.mean(numeric), rel=1e-3)


def test_squared_weights_leave_out_biases() -> None:
    network = Discriminator(2, (3,))
    first, last = network.body[0].weight, network.last.weight
    assert float(squared_weights(network).detach()) == pytest.approx(
        float((first**2).sum().detach() + (last**2).sum().detach())
    )
