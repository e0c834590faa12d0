"""The policy and the critics: MLPs with layer normalization."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from nil_core.learning import EnsembleLayerNorm, EnsembleLinear, SquashedGaussian, bounded_log_std, inverse_log_std

# Below e^-5 the gradient of the log probability is dominated by noise; above e^2 the tanh saturates at -1 and 1.
LOG_STD_BOUNDS = (-5.0, 2.0)


class Actor(nn.Module):
    """Observations (B, obs) to the distribution of actions (B, act).

    Initial actions are near 0 (the standing pose under PD control) with standard deviation ``initial_std`` before the
    tanh, for any observation.
    """

    def __init__(self, observation_size: int, action_size: int, hidden: Sequence[int], initial_std: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((observation_size, *hidden)):
            layers += [nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.ReLU()]
        head = nn.Linear(hidden[-1], 2 * action_size)
        with torch.no_grad():
            head.weight.mul_(0.01)
            head.bias.zero_()
            head.bias[action_size:] = inverse_log_std(initial_std, *LOG_STD_BOUNDS)
        self.layers = nn.Sequential(*layers, head)

    def forward(self, observations: Tensor) -> SquashedGaussian:
        mean, raw_log_std = self.layers(observations).chunk(2, dim=-1)
        return SquashedGaussian(mean, bounded_log_std(raw_log_std, *LOG_STD_BOUNDS))


class Critics(nn.Module):
    """Concatenated observations and actions (B, obs + act) to one Q value per critic (E, B)."""

    def __init__(self, critics: int, observation_size: int, action_size: int, hidden: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((observation_size + action_size, *hidden)):
            layers += [EnsembleLinear(critics, inputs, outputs), EnsembleLayerNorm(critics, outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers, EnsembleLinear(critics, hidden[-1], 1))

    def forward(self, observations_actions: Tensor) -> Tensor:
        q: Tensor = self.layers(observations_actions)
        return q.squeeze(-1)


class Temperature(nn.Module):
    """The weight of the entropy (alpha), parametrized by its logarithm so that it stays positive."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(math.log(initial)))

    def forward(self) -> Tensor:
        """Scalar."""
        return self.log.exp()
