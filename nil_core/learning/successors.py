"""Successors of the transitions in a replay buffer, for n-step returns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nil_core.errors import RunError
from nil_core.types import Floats

NOT_YET_ADDED, NO_SUCCESSOR = -1, -2


class Successors:
    """For each row of a ring buffer, the row of the next transition of the same episode.

    Transitions of several environments arrive interleaved, in no fixed order, and do not say which environment they are
    from. The successor of a transition is the next added one whose observation equals, bit for bit, its next
    observation. Where there is none, the n-step return is shorter, which is still correct. If several transitions wait
    for the same observation, the last one added gets the successor.

    Args:
        size: rows of the buffer.
        device: of the buffer.

    Attributes:
        rows: int64 (size,), the successor's row; ``NOT_YET_ADDED`` or ``NO_SUCCESSOR`` if there is none.
    """

    def __init__(self, size: int, device: torch.device) -> None:
        self.rows = torch.full((size,), NO_SUCCESSOR, device=device)
        self._waiting: dict[bytes, int] = {}  # next observation to the row that waits for its successor
        self._keys: dict[int, bytes] = {}  # the same reversed

    def add(
        self,
        rows: npt.NDArray[np.int64],
        observations: Floats,
        next_observations: Floats,
        ended: npt.NDArray[np.bool_],
    ) -> None:
        """Link new transitions, in their order.

        Args:
            rows: int64 (B,), where they are written; no row twice.
            observations: float32 (B, obs).
            next_observations: float32 (B, obs).
            ended: bool (B,), whether the episode terminated or was truncated.
        """
        changes: dict[int, int] = {}
        for row, observation, next_observation, end in zip(
            rows.tolist(), observations, next_observations, ended.tolist(), strict=True
        ):
            if (overwritten := self._keys.pop(row, None)) is not None:
                del self._waiting[overwritten]
            if (predecessor := self._waiting.pop(observation.tobytes(), None)) is not None:
                del self._keys[predecessor]
                changes[predecessor] = row
            changes[row] = NO_SUCCESSOR if end else NOT_YET_ADDED
            if not end:
                key = next_observation.tobytes()
                if (replaced := self._waiting.get(key)) is not None:
                    del self._keys[replaced]
                    changes[replaced] = NO_SUCCESSOR
                self._waiting[key], self._keys[row] = row, key
        if changes:
            rows_and_successors = torch.tensor(list(changes.items()), device=self.rows.device)
            self.rows[rows_and_successors[:, 0]] = rows_and_successors[:, 1]

    def load(self, rows: Tensor, next_observations: Tensor) -> None:
        """Restore saved ``rows``.

        Args:
            rows: int64 (filled,).
            next_observations: float32 (filled, obs), of the same transitions, on the CPU.

        Raises:
            RunError: the rows are not those of a buffer of this size.
        """
        if (
            rows.dtype != torch.int64
            or len(rows) > len(self.rows)
            or not bool(((rows >= NO_SUCCESSOR) & (rows < len(rows))).all())
        ):
            raise RunError("the successors in the saved replay buffer are damaged", "Resume from another checkpoint.")
        self.rows.fill_(NO_SUCCESSOR)
        self.rows[: len(rows)] = rows.to(self.rows.device)
        waiting = torch.nonzero(rows == NOT_YET_ADDED).flatten().tolist()
        self._waiting = {next_observations[row].numpy().tobytes(): row for row in waiting}
        self._keys = {row: key for key, row in self._waiting.items()}
