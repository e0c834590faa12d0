"""The tanh-squashed diagonal Gaussian, the policy of SAC and its descendants."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus


def bounded_log_std(x: Tensor, low: float, high: float) -> Tensor:
    """Any real number to a log standard deviation in (low, high), smoothly: low + (high - low) / 2 · (1 + tanh x)."""
    half = (high - low) / 2
    return torch.tanh(x) * half + (low + half)


def inverse_log_std(std: float, low: float, high: float) -> float:
    """The x that :func:`bounded_log_std` maps to log ``std``, which must lie in (low, high)."""
    return math.atanh(2 * (math.log(std) - low) / (high - low) - 1)


@dataclass(frozen=True)
class SquashedGaussian:
    """The distribution of a = tanh(u), u ~ N(mean, exp(log_std)²), independent in every entry.

    Attributes:
        mean: float32 (..., A), of u, before the squashing.
        log_std: float32 (..., A), of u.
    """

    mean: Tensor
    log_std: Tensor

    @property
    def mode(self) -> Tensor:
        """tanh(mean), (..., A): the action in evaluation. Strictly the median; the mean is the mode of u."""
        return torch.tanh(self.mean)

    def sample(self, noise: Tensor) -> Tensor:
        """Actions (..., A) in [-1, 1], differentiable in mean and log_std.

        Args:
            noise: (..., A) from N(0, 1).
        """
        return torch.tanh(torch.addcmul(self.mean, self.log_std.exp(), noise))

    def sample_with_log_prob(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions as of :meth:`sample`, and their log densities (...).

        log p(a) = log N(u) - Σ log(1 - tanh²(u)), the last as 2 (log 2 - u - softplus(-2u)): exact where tanh(u)
        rounds to ±1 and the plain form gives log 0 (Haarnoja et al. 2018, appendix C; this form is TensorFlow
        Probability's).
        """
        u = torch.addcmul(self.mean, self.log_std.exp(), noise)
        constant = math.log(2 * math.pi) / 2 + 2 * math.log(2)
        log_prob = (2 * (u + softplus(-2 * u)) - self.log_std - noise.square() / 2 - constant).sum(-1)
        return torch.tanh(u), log_prob


class DeterministicActor(nn.Module):
    """The mode of an actor's distribution as a network, for export.

    Args:
        actor: observations (B, obs) to a :class:`SquashedGaussian` (B, act).
    """

    def __init__(self, actor: nn.Module) -> None:
        super().__init__()
        self.actor = actor

    def forward(self, observations: Tensor) -> Tensor:
        """(B, obs) to (B, act) in [-1, 1]."""
        policy: SquashedGaussian = self.actor(observations)
        return policy.mode
