"""Agents that learn nothing: what a trained policy must beat. Built in, so that every report has its baselines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nil_core.card import Capability, ComponentCard, Options
from nil_core.errors import RunError
from nil_core.types import AgentSpec, Floats, Transitions

ZERO = ComponentCard(
    kind="agent",
    summary="Zero action at every step: under PD control the robot stands still.",
    target="nil_core.baselines:ZeroAgent",
    capabilities=frozenset({Capability.OFFLINE}),
)
RANDOM = ComponentCard(
    kind="agent",
    summary="Uniform random actions.",
    target="nil_core.baselines:RandomAgent",
    capabilities=frozenset({Capability.OFFLINE}),
)


class ZeroAgent:
    """Acts with zeros."""

    def __init__(self, options: Options, setting: AgentSpec) -> None:
        self.action_size = setting.action_size

    def act(self, observations: Floats, explore: bool) -> Floats:
        """float32 (N, obs) to float32 (N, act) zeros."""
        return np.zeros((len(observations), self.action_size), np.float32)

    def observe(self, transitions: Transitions) -> None:
        """Ignore them."""

    def update(self, steps: int) -> Mapping[str, float]:
        """Learn nothing."""
        return {}

    def save(self, folder: Path) -> None:
        """Write ``baseline.json``: whose it is, and what :meth:`state` says."""
        (folder / "baseline.json").write_text(json.dumps(self._identity() | {"state": self.state()}))

    def load(self, folder: Path) -> None:
        """Read ``baseline.json``.

        Raises:
            RunError: it is missing, unreadable, another agent's or of another action size.
        """
        path = folder / "baseline.json"
        try:
            saved = json.loads(path.read_text())
            if {key: saved.get(key) for key in self._identity()} != self._identity():
                raise ValueError(f"expected {self._identity()}")
            self.restore(saved["state"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split())
            hint = "resume with the agent and the robot that the run began with"
            raise RunError(f"{path} cannot be continued from: {reason}", hint) from error

    def state(self) -> Any:
        """What changes while acting: nothing."""
        return None

    def restore(self, state: Any) -> None:
        """Take back what :meth:`state` gave."""

    def _identity(self) -> dict[str, object]:
        return {"agent": type(self).__name__, "action_size": self.action_size}


class RandomAgent(ZeroAgent):
    """Acts uniformly in [-1, 1], with ``explore`` or without: a uniform distribution has no mode."""

    def __init__(self, options: Options, setting: AgentSpec) -> None:
        super().__init__(options, setting)
        self.rng = np.random.default_rng(setting.seed)

    def act(self, observations: Floats, explore: bool) -> Floats:
        """float32 (N, obs) to float32 (N, act), uniform in [-1, 1)."""
        return self.rng.random((len(observations), self.action_size), np.float32) * 2 - 1

    def state(self) -> Any:
        """The state of the random generator, as JSON values."""
        return self.rng.bit_generator.state

    def restore(self, state: Any) -> None:
        """Go on where the saved random generator was."""
        self.rng.bit_generator.state = state
