"""Normalization by running statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MIN_STD = 0.01
"""Least standard deviation: what hardly changes in the data must not decide everything where it does."""

CLIP = 5.0
"""Standard deviations beyond which normalized values are cut."""


class RunningNormalizer(nn.Module):
    """Subtracts the mean and divides by the standard deviation of all rows seen so far (Chan et al. 1983).

    Args:
        size: of a row.

    Attributes:
        count: float64 scalar, rows seen.
        mean: float64 (size,).
        squares: float64 (size,), sum of squared differences from the mean.
    """

    count: Tensor
    mean: Tensor
    squares: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("squares", torch.zeros(size, dtype=torch.float64))

    def update(self, rows: Tensor) -> None:
        """Add rows (B, size) to the statistics; none changes nothing."""
        if not len(rows):
            return
        rows = rows.to(self.mean.dtype)
        mean, count = rows.mean(0), len(rows)
        total = self.count + count
        change = mean - self.mean
        self.squares += (rows - mean).square().sum(0) + change.square() * self.count * count / total
        self.mean += change * count / total
        self.count.copy_(total)

    @property
    def std(self) -> Tensor:
        """float64 (size,), at least :data:`MIN_STD`; ones before any row."""
        deviations = (self.squares / self.count.clamp_min(1.0)).sqrt().clamp_min(MIN_STD)
        return torch.where(self.count > 0, deviations, torch.ones_like(deviations))  # no branch: torch can export it

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (..., size) normalized, cut to ±:data:`CLIP`, float32."""
        return ((rows - self.mean) / self.std).clamp(-CLIP, CLIP).float()
