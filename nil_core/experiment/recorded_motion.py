"""A recording for the MoCap loss, read by the generator ``mocap``, which knows the files, without drawing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nil_core.demonstrations.motions import recorded_motion
from nil_core.errors import ConfigError, DataError
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles

OPTIONS_KEY = "evaluation.mocap_options"
"""Config key of the reader's options."""

NAME_ONE = "name one: nil eval FOLDER --mocap walk.npz, or --set evaluation.mocap=walk.npz of nil run"


@dataclass(frozen=True)
class RecordedMotion:
    """A recorded motion of the robot, from its first sample on, repeated by its gait cycle where it is too short.

    Attributes:
        qpos: float64 (T, nq).
        still_joints: driven joints that the recording lacks.
    """

    qpos: Doubles
    still_joints: tuple[str, ...]


def read_motion(path: Path, options: Mapping[str, Any], scene: RobotScene, seconds: float, hz: float) -> RecordedMotion:
    """Read a recording.

    Args:
        path: of any file that the generator ``mocap`` reads.
        options: of that generator, without ``path``.
        scene: of the recorded robot.
        seconds: length wanted.
        hz: rate wanted.

    Raises:
        PluginError: the generator is not installed.
        ConfigError: an option that it does not have.
        DataError: missing, damaged, of another robot, or too short.
    """
    if not path.is_file():
        raise DataError(f"there is no recording {path.name} in {path.parent}", NAME_ONE)
    try:
        motion = recorded_motion(path, options, scene, seconds, hz)
    except (ConfigError, DataError) as error:
        raise type(error)(_here(error.message), _hint(error.hint, scene.spec.name)) from error
    return RecordedMotion(motion.qpos, tuple(motion.facts.get("still_joints", ())))


def _here(text: str) -> str:
    """The reader's text, with the keys that set its options here."""
    return text.replace("--set generator.", f"--set {OPTIONS_KEY}.")


def _hint(hint: str, robot: str) -> str:
    if "generator.path" in hint:
        return NAME_ONE
    if "--robot" in hint or hint.startswith("mapped are"):  # it is of another robot
        return f"take a recording of the robot {robot}; joints that have names must have the robot's"
    if "video.seconds" in hint:
        return "take a longer recording, or one of a periodic gait"
    return _here(hint)
