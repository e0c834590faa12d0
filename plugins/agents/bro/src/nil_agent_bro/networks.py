"""BroNet: residual MLPs with layer normalization (Nauman et al. 2024, arXiv 2405.16158, figure 3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn

from nil_core.learning import EnsembleLayerNorm, EnsembleLinear, SquashedGaussian, bounded_log_std, inverse_log_std

LOG_STD_BOUNDS = (-10.0, 2.0)
LOG_WEIGHT_BOUNDS = (-10.0, 7.5)
OPTIMISTIC_STD_SCALE = 0.75  # of the optimistic actor's std, relative to the actor's
NORM_EPS = 1e-6  # of layer normalization: flax's default; torch's is 1e-5
ORTHOGONAL_GAIN = math.sqrt(2)
NEAR_ZERO_GAIN = 0.01  # of output layers whose initial outputs are near 0

Module = TypeVar("Module", bound=nn.Module)


class ResidualBlock(nn.Module):
    """x + layers(x)."""

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
    norm = partial(EnsembleLayerNorm, members, eps=NORM_EPS) if members else partial(nn.LayerNorm, eps=NORM_EPS)
    layers: list[nn.Module] = [linear(inputs, width), norm(width), nn.ReLU()]
    for _ in range(blocks):
        layers.append(ResidualBlock(linear(width, width), norm(width), nn.ReLU(), linear(width, width), norm(width)))
    return orthogonal_init(nn.Sequential(*layers))


def orthogonal_init(module: Module, gain: float = ORTHOGONAL_GAIN) -> Module:
    """Orthogonal weights, drawn separately for each member of an ensemble, and biases 0."""
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

    With ``initial_std``, initial actions are near 0 with this standard deviation before the tanh; without, initial
    weights are random, as published.
    """

    def __init__(
        self, observation_size: int, action_size: int, width: int, blocks: int, initial_std: float | None = None
    ) -> None:
        super().__init__()
        near_zero_init = initial_std is not None
        self.body = bro_net(observation_size, width, blocks)
        self.mean = orthogonal_init(
            nn.Linear(width, action_size), NEAR_ZERO_GAIN if near_zero_init else ORTHOGONAL_GAIN
        )
        self.raw_log_std = orthogonal_init(nn.Linear(width, action_size), NEAR_ZERO_GAIN if near_zero_init else 1.0)
        if initial_std is not None:
            nn.init.constant_(self.raw_log_std.bias, inverse_log_std(initial_std, *LOG_STD_BOUNDS))

    def forward(self, observations: Tensor) -> SquashedGaussian:
        x = self.body(observations)
        return SquashedGaussian(self.mean(x), bounded_log_std(self.raw_log_std(x), *LOG_STD_BOUNDS))


class OptimisticActor(nn.Module):
    """Shifts the mean of the actor's distribution, and scales its standard deviation down."""

    def __init__(self, observation_size: int, action_size: int, width: int, blocks: int) -> None:
        super().__init__()
        self.body = bro_net(observation_size + action_size, width, blocks)
        self.mean_shift = orthogonal_init(nn.Linear(width, action_size, bias=False), NEAR_ZERO_GAIN)

    def forward(self, observations: Tensor, policy: SquashedGaussian) -> SquashedGaussian:
        """Exploration policy from observations (B, obs) and the actor's policy, through which no gradient flows."""
        mean = policy.mean.detach()
        mean_shift = self.mean_shift(self.body(torch.cat((observations, mean), -1)))
        return SquashedGaussian(mean + mean_shift, policy.log_std.detach() + math.log(OPTIMISTIC_STD_SCALE))


class Critics(nn.Module):
    """Concatenated observations and actions (B, obs + act) to quantiles of the return (2, B, Q).

    With ``near_zero_init`` initial quantiles are near 0; without, initial weights are random, as published.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        width: int,
        blocks: int,
        quantiles: int,
        near_zero_init: bool = False,
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            bro_net(observation_size + action_size, width, blocks, members=2),
            orthogonal_init(EnsembleLinear(2, width, quantiles), NEAR_ZERO_GAIN if near_zero_init else ORTHOGONAL_GAIN),
        )

    def forward(self, observations_actions: Tensor) -> Tensor:
        quantiles: Tensor = self.layers(observations_actions)
        return quantiles


class LossWeights(nn.Module):
    """The learned positive weights in the losses: the temperature, and two of the optimistic actor."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)))
        self.raw_optimism = nn.Parameter(torch.tensor(inverse_log_std(1.0, *LOG_WEIGHT_BOUNDS)))
        self.raw_kl_weight = nn.Parameter(torch.tensor(inverse_log_std(0.25, *LOG_WEIGHT_BOUNDS)))

    def temperature(self) -> Tensor:
        """Weight of the entropy, alpha."""
        return self.log_temperature.exp()

    def optimism(self) -> Tensor:
        """Weight of the critics' disagreement in the optimistic actor's loss."""
        return bounded_log_std(self.raw_optimism, *LOG_WEIGHT_BOUNDS).exp()

    def kl_weight(self) -> Tensor:
        """Weight of the KL divergence between the two actors in the optimistic actor's loss."""
        return bounded_log_std(self.raw_kl_weight, *LOG_WEIGHT_BOUNDS).exp()


def kl_divergence(optimistic: SquashedGaussian, policy: SquashedGaussian) -> Tensor:
    """KL divergence (B,) of the optimistic policy, its std scaled back, from the policy, before the squashing.

    ln(s_c / s) + (s² + (m_o - m_c)²) / (2 s_c²) - 1/2 summed over the action, where s = s_c.
    """
    return ((optimistic.mean - policy.mean) / policy.log_std.exp()).square().sum(-1) / 2
