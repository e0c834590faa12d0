"""Transitions on their way to the replay buffer: acted, but their tick's reward is not known yet."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nil_core.sim.vector_env import StepBuffers
from nil_core.types import Floats, Transitions

Arrays = dict[str, npt.NDArray[Any]]
COLUMNS = ("observations", "actions", "next_observations", "terminations", "truncations")


class PendingTransitions:
    """Holds the k transitions of each tick until :meth:`settle` gives all of them the tick's reward."""

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []  # one transition each, in the order of COLUMNS
        self._environments: list[int] = []
        self._open: dict[int, list[int]] = {}  # environment to its rows of the running tick
        self._closed: list[list[int]] = []  # rows of finished ticks, in the order their rewards will come

    def add(self, observations: Floats, actions: Floats, buffers: StepBuffers) -> None:
        """Take in a step of all environments."""
        for i in range(len(actions)):
            self._open.setdefault(i, []).append(len(self._rows))
            self._environments.append(i)
            self._rows.append(
                (
                    observations[i],
                    actions[i],
                    buffers.final_observations[i].copy(),
                    bool(buffers.terminated[i]),
                    bool(buffers.truncated[i]),
                )
            )
            if buffers.ticked[i]:
                self._closed.append(self._open.pop(i))

    def settle(self, rewards: Floats, terminal_value: float) -> Transitions | None:
        """Hand out the transitions of finished ticks.

        Args:
            rewards: float32 (finished ticks,), in the order they finished; each goes to all transitions of its tick.
            terminal_value: added where the robot fell.

        Returns:
            in order of the ticks; None if no tick has finished.
        """
        if len(rewards) != len(self._closed):
            raise ValueError(f"{len(rewards)} rewards for {len(self._closed)} finished ticks")
        if not self._closed:
            return None
        order = [row for tick in self._closed for row in tick]
        reward = np.repeat(rewards, [len(tick) for tick in self._closed])
        columns = [np.stack([np.asarray(self._rows[row][c]) for row in order]) for c in range(len(COLUMNS))]
        observations, actions, following, terminations, truncations = columns
        reward = (reward + terminal_value * terminations).astype(np.float32)
        self._keep(sorted(row for rows in self._open.values() for row in rows))
        return Transitions(observations, actions, reward, following, terminations, truncations)

    def _keep(self, rows: list[int]) -> None:
        new = {old: i for i, old in enumerate(rows)}
        self._rows = [self._rows[row] for row in rows]
        self._environments = [self._environments[row] for row in rows]
        self._open = {i: [new[row] for row in held] for i, held in self._open.items() if held}
        self._closed = []

    def state(self) -> Arrays:
        """As arrays; empty if nothing waits."""
        if not self._rows:
            return {}
        arrays: Arrays = {name: np.stack([np.asarray(row[c]) for row in self._rows]) for c, name in enumerate(COLUMNS)}
        tick = np.full(len(self._rows), -1)  # of closed rows: which
        for number, rows in enumerate(self._closed):
            tick[rows] = number
        return arrays | {"environments": np.array(self._environments), "tick": tick}

    def restore(self, state: Arrays) -> None:
        """Back to a saved :meth:`state`."""
        self.__init__()  # type: ignore[misc]
        if not state:
            return
        self._rows = [tuple(state[name][row] for name in COLUMNS) for row in range(len(state["tick"]))]
        self._environments = [int(i) for i in state["environments"]]
        for row, (i, tick) in enumerate(zip(self._environments, state["tick"], strict=True)):
            if tick < 0:
                self._open.setdefault(i, []).append(row)
            else:
                while len(self._closed) <= tick:
                    self._closed.append([])
                self._closed[tick].append(row)
