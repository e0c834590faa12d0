"""BroNet: residual perceptrons with layer normalization (Nauman et al. 2024, arXiv 2405.16158, figure 3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn

from nil_core.learning import EnsembleLayerNorm, EnsembleLinear, SquashedGaussian, bounded_log_std, unbounded

LOG_STD_BOUNDS = (-10.0, 2.0)
LOG_WEIGHT_BOUNDS = (-10.0, 7.5)
STD_OF_OPTIMIST = 0.75  # of the first actor's
EPS = 1e-6  # flax's; torch's own would be 1e-5
GAIN = math.sqrt(2)  # of orthogonal weights
NEXT_TO_NOTHING = 0.01  # likewise, where a layer shall hardly have a say at first

Module = TypeVar("Module", bound=nn.Module)


class Residual(nn.Module):
    """Adds to its input what its layers make of it."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same; no activation after the sum."""
        return torch.add(x, self.layers(x))


def bro_net(inputs: int, width: int, blocks: int, members: int = 0) -> nn.Sequential:
    """The body of every network: (B, inputs) to (B, width), or of ``members`` networks at once to (members, B, width).

    Orthogonal weights of gain sqrt(2), biases 0.
    """
    linear: Callable[[int, int], nn.Module] = partial(EnsembleLinear, members) if members else nn.Linear
    norm = partial(EnsembleLayerNorm, members, eps=EPS) if members else partial(nn.LayerNorm, eps=EPS)
    layers: list[nn.Module] = [linear(inputs, width), norm(width), nn.ReLU()]
    for _ in range(blocks):
        layers.append(Residual(linear(width, width), norm(width), nn.ReLU(), linear(width, width), norm(width)))
    return initialize(nn.Sequential(*layers))


def initialize(module: Module, gain: float = GAIN) -> Module:
    """Orthogonal weights, each member of an ensemble its own, and biases 0."""
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Linear | EnsembleLinear):
                for weight in layer.weight if layer.weight.dim() == 3 else [layer.weight]:
                    nn.init.orthogonal_(weight, gain)
                if layer.bias is not None:
                    layer.bias.zero_()
    return module


class Actor(nn.Module):
    """Observations (B, obs) to the distribution of actions (B, act).

    With ``initial_std``, it starts at actions near 0 with that standard deviation before the tanh; without, as
    published, at whatever random weights give.
    """

    def __init__(
        self, observation_size: int, action_size: int, width: int, blocks: int, initial_std: float | None = None
    ) -> None:
        super().__init__()
        calm = initial_std is not None
        self.body = bro_net(observation_size, width, blocks)
        self.mean = initialize(nn.Linear(width, action_size), NEXT_TO_NOTHING if calm else GAIN)
        self.spread = initialize(nn.Linear(width, action_size), NEXT_TO_NOTHING if calm else 1.0)
        if initial_std is not None:
            nn.init.constant_(self.spread.bias, unbounded(initial_std, *LOG_STD_BOUNDS))

    def forward(self, observations: Tensor) -> SquashedGaussian:
        x = self.body(observations)
        return SquashedGaussian(self.mean(x), bounded_log_std(self.spread(x), *LOG_STD_BOUNDS))


class OptimisticActor(nn.Module):
    """Moves the mean of the first actor's distribution, and narrows it."""

    def __init__(self, observation_size: int, action_size: int, width: int, blocks: int) -> None:
        super().__init__()
        self.body = bro_net(observation_size + action_size, width, blocks)
        self.shift = initialize(nn.Linear(width, action_size, bias=False), NEXT_TO_NOTHING)

    def forward(self, observations: Tensor, policy: SquashedGaussian) -> SquashedGaussian:
        """Where to explore, from observations (B, obs) and the first actor's policy there, a constant here."""
        mean = policy.mean.detach()
        shift = self.shift(self.body(torch.cat((observations, mean), -1)))
        return SquashedGaussian(mean + shift, policy.log_std.detach() + math.log(STD_OF_OPTIMIST))


class Critics(nn.Module):
    """Observations and actions side by side (B, obs + act) to quantiles of the return (2, B, Q).

    If ``calm``, they start near 0; else, as published, at whatever random weights give.
    """

    def __init__(
        self, observation_size: int, action_size: int, width: int, blocks: int, quantiles: int, calm: bool = False
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            bro_net(observation_size + action_size, width, blocks, members=2),
            initialize(EnsembleLinear(2, width, quantiles), NEXT_TO_NOTHING if calm else GAIN),
        )

    def forward(self, observations_actions: Tensor) -> Tensor:
        quantiles: Tensor = self.layers(observations_actions)
        return quantiles


class Weights(nn.Module):
    """Positive numbers that are learned: the temperature, and the two of the optimistic actor."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature_log = nn.Parameter(torch.tensor(math.log(temperature)))
        self.optimism_raw = nn.Parameter(torch.tensor(unbounded(1.0, *LOG_WEIGHT_BOUNDS)))
        self.kl_raw = nn.Parameter(torch.tensor(unbounded(0.25, *LOG_WEIGHT_BOUNDS)))

    def temperature(self) -> Tensor:
        """Of the entropy, alpha."""
        return self.temperature_log.exp()

    def optimism(self) -> Tensor:
        """Of the critics' disagreement, in the optimistic actor's loss."""
        return bounded_log_std(self.optimism_raw, *LOG_WEIGHT_BOUNDS).exp()

    def kl(self) -> Tensor:
        """Of the divergence between the actors, in the optimistic actor's loss."""
        return bounded_log_std(self.kl_raw, *LOG_WEIGHT_BOUNDS).exp()


def divergence(optimist: SquashedGaussian, policy: SquashedGaussian) -> Tensor:
    """KL divergence (B,) of the optimist, its std taken back to the policy's, from the policy, before the squashing.

    The general form, ln(s_c / s) + (s² + (m_o - m_c)²) / (2 s_c²) - 1/2 summed over the action, with s = s_c.
    """
    return ((optimist.mean - policy.mean) / policy.log_std.exp()).square().sum(-1) / 2
