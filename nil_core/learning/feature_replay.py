"""The newest rows of features, sampled uniformly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nil_core.types import Floats


class FeatureReplay:
    """The last ``capacity`` rows; the oldest is overwritten first.

    Args:
        capacity: rows kept.
        size: of a row.
    """

    def __init__(self, capacity: int, size: int) -> None:
        self._rows = np.empty((capacity, size), np.float32)  # the system allocates it as it is filled
        self._filled = self._position = 0

    def __len__(self) -> int:
        return self._filled

    def add(self, rows: Floats) -> None:
        """Add rows (B, size) in their order; of more than ``capacity`` only the last."""
        capacity = len(self._rows)
        rows = rows[-capacity:]
        at = (self._position + np.arange(len(rows))) % capacity
        self._rows[at] = rows
        self._position = (self._position + len(rows)) % capacity
        self._filled = min(self._filled + len(rows), capacity)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """float32 (count, size), drawn with replacement."""
        drawn = torch.randint(self._filled, (count,), generator=generator)
        return torch.from_numpy(self._rows[drawn.numpy()])

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """The filled part and the position, as arrays."""
        return {"rows": self._rows[: self._filled].copy(), "position": np.array(self._position)}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Restore a saved :meth:`state`; adding and sampling go on exactly.

        Raises:
            ValueError: rows of another size, or more than there is room for.
        """
        rows = state["rows"]
        if rows.ndim != 2 or rows.shape[1] != self._rows.shape[1] or len(rows) > len(self._rows):
            raise ValueError(f"rows of shape {rows.shape} do not fit {self._rows.shape}")
        self._filled, self._position = len(rows), int(state["position"])
        self._rows[: self._filled] = rows
