"""Scaling of rewards by the spread of the discounted return."""

from __future__ import annotations

import torch
from torch import Tensor

from nil_core.learning import RunningNormalizer


class RewardScale:
    """Divides rewards by the running standard deviation of the discounted return so far (Engstrom et al. 2020).

    Args:
        num_envs: N.
        gamma: discount factor.
        device: of the rewards.

    Attributes:
        statistics: of the discounted returns of all environments.
        returns: float32 (N,), the discounted return of each running episode.
    """

    def __init__(self, num_envs: int, gamma: float, device: torch.device) -> None:
        self._gamma = gamma
        self.statistics = RunningNormalizer(1).to(device)
        self.returns = torch.zeros(num_envs, device=device)

    def scale(self, rewards: Tensor, ended: Tensor) -> Tensor:
        """Take account of the next T rewards of each environment, then scale them.

        Args:
            rewards: (T, N).
            ended: (T, N), 1 where the episode ended.
        """
        returns = torch.empty_like(rewards)
        for t in range(len(rewards)):
            returns[t] = self._gamma * self.returns + rewards[t]
            self.returns = returns[t] * (1 - ended[t])
        self.statistics.update(returns.reshape(-1, 1))
        return rewards / self.statistics.std.to(rewards.dtype)
