"""States of a file of demonstrations, as the environments observe states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from nil_core.api import (
    AgentSpec,
    ConfigError,
    DataError,
    Demonstrations,
    Floats,
    check_demonstrations,
    read_demonstrations,
)


def state_columns(spec: AgentSpec) -> npt.NDArray[np.int64]:
    """Which entries of an observation are a state, int64 (s,): all of them in a task that is no robot.

    Raises:
        ConfigError: actions whose meaning depends on the time, or an observation without any state.
    """
    if spec.observe_states is not None:
        if not len(spec.observe_states.columns):
            raise ConfigError(
                "bco compares states, and no term of the observation depends on the state alone",
                "--set environment.observation.joints=true",
            )
        return spec.observe_states.columns
    if spec.scene is not None:
        raise ConfigError(
            "bco infers actions from states, but here actions are relative to the motion of the reference, so that the "
            "same action means something else at another time",
            "--set motion.base=false, or --set motion.source=none to do without the motion altogether",
        )
    return np.arange(spec.observation_size)


def demonstrated(path: Path, spec: AgentSpec) -> tuple[Floats, Floats]:
    """States and the states one control step later, float32 (B, s) each.

    Args:
        path: of the file.
        spec: of the environments that are acted in.

    Raises:
        DataError: it cannot be read, is of another robot, has a rate that does not fit, or no transition.
    """
    found = read_demonstrations(path)
    stride = 1 if spec.control_hz is None else found.stride(spec.control_hz)
    rows = found.pairs(stride)
    states = _states(path, found, spec)
    return states[rows], states[rows + stride]


def _states(path: Path, found: Demonstrations, spec: AgentSpec) -> Floats:
    """float32 (rows, s)."""
    if spec.scene is not None and spec.observe_states is not None:
        check_demonstrations(found, spec.scene.spec, spec.scene.model, str(path))
        return spec.observe_states(found.qpos, found.qvel)
    if found.observations is None or found.observations.shape[1] != spec.observation_size:
        size = "no" if found.observations is None else str(found.observations.shape[1])
        raise DataError(
            f"{path} has {size} observed numbers in a state, and this task has {spec.observation_size}",
            "write demonstrations of this task with nil_core.api.write_demonstrations",
        )
    return found.observations
