"""Adds up what happened between two lines of ``metrics.jsonl``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nil_core.reward.imitation import TickRewards
from nil_core.sim.vector_env import StepBuffers


class MetricAccumulator:
    """Sums and counts by name; part of every checkpoint, so that a resumed run writes the same lines."""

    def __init__(self, environments: int) -> None:
        self._sums: dict[str, list[float]] = {}  # name to sum, count
        self._lengths = [0] * environments

    def add_rewards(self, scored: TickRewards) -> None:
        """Rewards of finished ticks and their parts."""
        self._add("reward", float(scored.total.sum()), len(scored.total))
        for name, values in scored.parts.items():
            self._add(name, float(values.sum()), len(values))

    def add_losses(self, losses: Mapping[str, float]) -> None:
        """What the agent said of its update."""
        for name, value in losses.items():
            self._add(name, float(value), 1)

    def add_step(self, buffers: StepBuffers) -> None:
        """Speed, lengths and falls."""
        self._add("speed", float(buffers.speed.sum()), len(buffers.speed))
        for i, ended in enumerate(buffers.ended):
            self._lengths[i] += 1
            if ended:
                self._add("episode_length", float(self._lengths[i]), 1)
                self._add("falls", float(buffers.terminated[i]), 1)
                self._lengths[i] = 0

    def _add(self, name: str, total: float, count: int) -> None:
        entry = self._sums.setdefault(name, [0.0, 0])
        entry[0] += total
        entry[1] += count

    def take(self) -> dict[str, float]:
        """Means by name, and a clean slate. ``falls`` is the share of episodes that ended in one."""
        means = {name: total / count for name, (total, count) in self._sums.items() if count}
        self._sums = {}
        return means

    def state(self) -> dict[str, Any]:
        """JSON values."""
        return {"sums": self._sums, "lengths": self._lengths}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Back to a saved :meth:`state`."""
        self._sums = {name: list(entry) for name, entry in state["sums"].items()}
        self._lengths = list(state["lengths"])
