"""The task's own reward, unchanged."""

from __future__ import annotations

from collections.abc import Sequence

from nil_core.interfaces import TermRow
from nil_core.reward.cards import EnvironmentOptions
from nil_core.reward.terms import RewardTerm
from nil_core.tick import Arrays, Tick
from nil_core.types import RewardSpec


class EnvironmentReward:
    """The mean of ``environment_reward`` over the control steps of a tick; needs no frames and no reference."""

    needs: frozenset[str] = frozenset()
    state_terms: tuple[RewardTerm, ...] = ()

    def __init__(self, options: EnvironmentOptions, spec: RewardSpec | None = None) -> None:
        self._options = options

    def rows(self) -> list[TermRow]:
        """One row: the whole reward."""
        return [TermRow("R", "environment reward", 1.0, "the task's own")]

    def score(self, ticks: Sequence[Tick]) -> None:
        """Set the reward of ticks."""
        for tick in ticks:
            if not tick.begins:
                tick.reward = float(tick.environment_reward.mean())
                tick.terminal_value = self._options.terminal_value

    def state(self) -> Arrays:
        """Empty: scoring has no state."""
        return {}

    def restore(self, state: Arrays) -> None:
        """Do nothing: there is no state."""
