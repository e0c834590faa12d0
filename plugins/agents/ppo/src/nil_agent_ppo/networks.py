"""The policy: a diagonal Gaussian whose standard deviation is the same for every observation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from nil_core.learning import orthogonal_mlp


class Policy(nn.Module):
    """Normalized observations (B, obs) to the distribution of actions (B, act) before they are clipped to [-1, 1].

    Initial means are near 0 (under PD control the standing pose, or the motion of the reference).

    Args:
        observation_size, action_size, hidden: sizes.
        initial_std: standard deviation of every action entry.
        learn_std: whether it is a parameter.
    """

    def __init__(
        self, observation_size: int, action_size: int, hidden: Sequence[int], initial_std: float, learn_std: bool
    ) -> None:
        super().__init__()
        self.mean = orthogonal_mlp(observation_size, hidden, action_size, head_gain=0.01)
        self.log_std = nn.Parameter(torch.full((action_size,), math.log(initial_std)), requires_grad=learn_std)

    def forward(self, observations: Tensor) -> Independent[Normal]:
        std = self.log_std.exp().expand(len(observations), -1)
        normal = Normal(self.mean(observations), std, validate_args=False)
        return Independent(normal, 1, validate_args=False)


class ExportedPolicy(nn.Module):
    """Observations (B, obs), as the environment gives them, to the clipped mean of the policy (B, act).

    Args:
        normalizer: of the observations.
        policy: of the normalized ones.
    """

    def __init__(self, normalizer: nn.Module, policy: Policy) -> None:
        super().__init__()
        self.normalizer, self.mean = normalizer, policy.mean

    def forward(self, observations: Tensor) -> Tensor:
        mean: Tensor = self.mean(self.normalizer(observations))
        return mean.clamp(-1.0, 1.0)
