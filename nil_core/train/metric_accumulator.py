"""Accumulation of metrics between two lines of ``metrics.jsonl``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nil_core.tick import Tick


class MetricAccumulator:
    """Sums and counts by name; part of every checkpoint, so that a resumed run writes the same lines.

    Args:
        num_envs: number of environments.
    """

    def __init__(self, num_envs: int) -> None:
        self._sums: dict[str, list[float]] = {}  # name to sum, count
        self._lengths = [0] * num_envs

    def add_ticks(self, ticks: Sequence[Tick]) -> None:
        """Add rewards, their terms and speed, and length and fall of the episodes that ended."""
        for tick in ticks:
            self._add("reward", tick.reward)
            for name, value in tick.terms.items():
                self._add(name, value)
            self._add("speed", float(tick.speed.sum()), tick.steps)
            self._lengths[tick.env] += tick.steps
            if tick.ended:
                self._add("episode_length", float(self._lengths[tick.env]))
                self._add("falls", float(tick.fell))
                self._lengths[tick.env] = 0

    def add_losses(self, losses: Mapping[str, float]) -> None:
        """Add the metrics that the agent's update returned."""
        for name, value in losses.items():
            self._add(name, float(value))

    def _add(self, name: str, total: float, count: int = 1) -> None:
        entry = self._sums.setdefault(name, [0.0, 0])
        entry[0] += total
        entry[1] += count

    def take(self) -> dict[str, float]:
        """Return the means by name and reset. ``falls`` is the share of episodes that ended in one."""
        means = {name: total / count for name, (total, count) in self._sums.items() if count}
        self._sums = {}
        return means

    def state(self) -> dict[str, Any]:
        """JSON values."""
        return {"sums": self._sums, "lengths": self._lengths}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore a saved :meth:`state`."""
        self._sums = {name: list(entry) for name, entry in state["sums"].items()}
        self._lengths = list(state["lengths"])
