"""Observations and actions of a file of demonstrations."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np

from nil_core.api import AgentSpec, DataError, Demonstrations, Floats, read_any, read_demonstrations

RECORD = "record a run with this run's environment, or run with that of the recorded one"

SWITCHES = {"preview": "preview=0"} | {
    term: f"{term}=false"
    for term in ("gravity", "angular_velocity", "linear_velocity", "height", "heading", "last_action", "phase")
}
"""Term of the observation to what switches it off in ``environment.observation``."""


def demonstrated(path: Path, spec: AgentSpec) -> tuple[Floats, Floats]:
    """What was observed and what was done then: float32 (B, obs) and (B, act).

    Args:
        path: of the file.
        spec: of the environments that are acted in.

    Raises:
        DataError: it cannot be read, is of another robot, has no actions, or observations of another environment.
    """
    if spec.scene is None or spec.control_hz is None:
        found = read_demonstrations(path)
    else:
        found = read_any(path, spec.scene, spec.control_hz)
    if found.actions is None:
        raise DataError(
            f"{path} has no actions, which bc clones",
            f"bco infers them: --agent bco --set agent.demonstrations={shlex.quote(str(path))}",
        )
    if found.observations is None:
        raise DataError(f"{path} has no observations", "record the policy of a run: nil record RUN --out FILE")
    _check_environment(path, found, spec)
    rows = found.pairs()  # the last action of a trajectory is none
    return found.observations[rows], found.actions[rows]


def _switches(terms: list[str]) -> str:
    """The options that switch terms of the observation off; empty for terms that have no switch of their own."""
    if not SWITCHES.keys() >= set(terms):
        return ""
    return " ".join(f"--set environment.observation.{SWITCHES[term]}" for term in terms)


def _check_environment(path: Path, found: Demonstrations, spec: AgentSpec) -> None:
    """Refuse observations, actions or a rate that are not those of the environments."""
    assert found.observations is not None and found.actions is not None
    if found.layout and spec.layout and dict(found.layout) != dict(spec.layout):
        changed = [name for name in {**spec.layout, **found.layout} if found.layout.get(name) != spec.layout.get(name)]
        raise DataError(
            f"{path} has other terms of the observation than this environment: {', '.join(changed)}",
            _switches([name for name in spec.layout if name not in found.layout]) or RECORD,
        )
    sizes = found.observations.shape[1], found.actions.shape[1]
    if sizes != (spec.observation_size, spec.action_size):
        raise DataError(
            f"{path} has {sizes[0]} observed numbers and {sizes[1]} actions, and this environment has "
            f"{spec.observation_size} and {spec.action_size}",
            RECORD,
        )
    about = found.provenance.get("actions_about", "standing pose")
    mine = "standing pose" if spec.scene is None or spec.observe_states is not None else "motion"
    if about != mine:
        raise DataError(
            f"{path} has actions relative to the {about}, and here they are relative to the {mine}",
            f"--set motion.base={'true' if about == 'motion' else 'false'}, with the reference of the recorded run",
        )
    if spec.control_hz is not None and not np.isclose(found.hz, spec.control_hz):
        raise DataError(
            f"{path} has {found.hz:g} actions per second, and this environment {spec.control_hz:g}",
            f"--set environment.control_hz={found.hz:g}",
        )
