"""Normalization by the running mean and variance of what came by."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RunningNormalizer(nn.Module):
    """Rows minus their mean, over their standard deviation, both of all rows that :meth:`update` was given.

    Batches are merged exactly (Chan et al. 1983), in float64, so that the order and size of batches hardly matter.
    Before the first update rows pass unchanged.

    Args:
        size: entries of a row.
        limit: normalized entries are clipped to ±limit.

    Attributes:
        count: float64 scalar, rows so far.
        mean, variance: float64 (size,), of the rows so far; the variance is that of the population.
    """

    count: Tensor
    mean: Tensor
    variance: Tensor
    eps = 1e-8  # added to the variance: entries that never change become 0

    def __init__(self, size: int, limit: float = 10.0) -> None:
        super().__init__()
        self.limit = limit
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(size, dtype=torch.float64))

    @torch.no_grad()
    def update(self, rows: Tensor) -> None:
        """Add rows (B, size), B >= 1."""
        rows = rows.to(torch.float64)
        total = self.count + len(rows)
        share = len(rows) / total
        difference = rows.mean(0) - self.mean
        variance = self.variance * (1 - share) + rows.var(0, correction=0) * share
        self.variance.copy_(variance + difference.square() * share * (1 - share))
        self.mean.add_(difference * share)
        self.count.copy_(total)

    @property
    def std(self) -> Tensor:
        """float32 (size,), what rows are divided by."""
        return (self.variance + self.eps).sqrt().to(torch.float32)

    def forward(self, rows: Tensor) -> Tensor:
        """(..., size) to the same."""
        return ((rows - self.mean.to(torch.float32)) / self.std).clamp(-self.limit, self.limit)
