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
    read_any,
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
        path: of the file, or of a recording of the robot.
        spec: of the environments that are acted in.

    Raises:
        DataError: it cannot be read, is of another robot, has a rate that does not fit, or no transition.
    """
    if spec.scene is None or spec.control_hz is None or spec.observe_states is None:
        found, stride = read_demonstrations(path), 1
        states = _observations(path, found, spec)
    else:
        found = read_any(path, spec.scene, spec.control_hz)
        stride = found.stride(spec.control_hz)
        states = spec.observe_states(found.qpos, found.qvel)
    rows = found.pairs(stride)
    return states[rows], states[rows + stride]


def _observations(path: Path, found: Demonstrations, spec: AgentSpec) -> Floats:
    """The observations in a file, float32 (rows, obs)."""
    if found.observations is None or found.observations.shape[1] != spec.observation_size:
        size = "no" if found.observations is None else str(found.observations.shape[1])
        raise DataError(
            f"{path} has {size} observed numbers in a state, and this task has {spec.observation_size}",
            "write demonstrations of this task with nil_core.api.write_demonstrations",
        )
    return found.observations
