"""Observations and actions of a file of demonstrations."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np

from nil_core.api import AgentSpec, DataError, Demonstrations, Floats, check_demonstrations, read_demonstrations


def demonstrated(path: Path, spec: AgentSpec) -> tuple[Floats, Floats]:
    """What was observed and what was done then: float32 (B, obs) and (B, act).

    Args:
        path: of the file.
        spec: of the environments that are acted in.

    Raises:
        DataError: it cannot be read, is of another robot, has no actions, or observations of another environment.
    """
    found = read_demonstrations(path)
    if spec.scene is not None:
        check_demonstrations(found, spec.scene.spec, spec.scene.model, str(path))
    if found.actions is None:
        raise DataError(
            f"{path} has no actions, which bc clones",
            f"bco infers them: --agent bco --set agent.demonstrations={shlex.quote(str(path))}",
        )
    if found.observations is None:
        raise DataError(f"{path} has no observations", "record a run's policy: nil record RUN")
    _check_environment(path, found, spec)
    rows = found.pairs()  # the last action of a trajectory is none
    return found.observations[rows], found.actions[rows]


def _check_environment(path: Path, found: Demonstrations, spec: AgentSpec) -> None:
    """Refuse observations, actions or a rate that are not those of the environments."""
    assert found.observations is not None and found.actions is not None
    record = "record a run with this run's environment, or run with that of the recorded one"
    sizes = found.observations.shape[1], found.actions.shape[1]
    if sizes != (spec.observation_size, spec.action_size):
        raise DataError(
            f"{path} has {sizes[0]} observed numbers and {sizes[1]} actions, and this environment has "
            f"{spec.observation_size} and {spec.action_size}",
            record,
        )
    if found.layout and spec.layout and dict(found.layout) != dict(spec.layout):
        changed = sorted(
            name for name in {*found.layout, *spec.layout} if found.layout.get(name) != spec.layout.get(name)
        )
        raise DataError(
            f"{path} has other terms of the observation than this environment: {', '.join(changed)}", record
        )
    if spec.control_hz is not None and not np.isclose(found.hz, spec.control_hz):
        raise DataError(
            f"{path} has {found.hz:g} actions per second, and this environment {spec.control_hz:g}",
            f"--set environment.control_hz={found.hz:g}",
        )
