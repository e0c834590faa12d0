"""Demonstrations from recordings of a robot, read by the generator ``mocap``, and from motions that generators plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nil_core import registry
from nil_core.card import Capability
from nil_core.components import build
from nil_core.demonstrations import files
from nil_core.demonstrations.motions import PlannedMotion, motion_of, recorded_motion
from nil_core.demonstrations.trajectories import Demonstrations, joined, make_command
from nil_core.errors import ConfigError, DataError
from nil_core.sim.motion import velocities
from nil_core.types import Scene

HZ = 100.0
SECONDS = 10.0


def from_recordings(
    paths: Sequence[Path],
    scene: Scene,
    options: Mapping[str, Any] | None = None,
    seconds: float = SECONDS,
    hz: float = HZ,
) -> Demonstrations:
    """One trajectory for each recording, without actions. Files of demonstrations are joined to them as they are.

    A recording that is shorter than ``seconds`` is continued by the gait cycle that ``mocap`` fits to it. Velocities
    are central differences (``mj_differentiatePos``) of positions smoothed over five rows (Savitzky-Golay, order 2).

    Args:
        paths: files of any layout that the generator ``mocap`` reads, or of demonstrations.
        scene: of the robot; nothing is drawn.
        options: of the generator ``mocap``; unless given, ``ramp`` is 0: the motion begins as it was recorded.
        seconds: length of each trajectory.
        hz: rows per second.

    Raises:
        DataError: a file that cannot be read, is of another robot, or is shorter and not periodic.
        PluginError: ``mocap`` is not installed.
    """
    found = [_from_file(path, scene, options or {}, seconds, hz) for path in paths]
    return found[0] if len(found) == 1 else joined(found)


def _from_file(path: Path, scene: Scene, options: Mapping[str, Any], seconds: float, hz: float) -> Demonstrations:
    if not path.exists():
        hint = "check the path; without files, the motion of a generator is taken"
        raise DataError(f"there is no recording {path}", hint)
    if not path.is_file() or files.is_demonstrations(path):
        existing = files.read_demonstrations(path)
        files.check_demonstrations(existing, scene.spec, scene.model, str(path))
        return existing
    try:
        motion = recorded_motion(path, options, scene, seconds, hz)
    except DataError as error:
        if "generator.path" in error.hint:  # where nil run names it
            raise DataError(error.message, f"name a recording of {scene.spec.name}") from None
        raise
    return _demonstrations(motion, scene, hz, {"kind": "recording"})


def from_generator(
    generator: str, scene: Scene, options: Mapping[str, Any], skill: str, seconds: float = SECONDS, hz: float = HZ
) -> Demonstrations:
    """One trajectory, without actions, of the motion that a generator draws, such as ``gait``.

    Args:
        generator: name; one that draws the robot itself.
        scene: of the robot; nothing is drawn.
        options: of the generator.
        skill: to show.
        seconds: length of the trajectory.
        hz: rows per second.

    Raises:
        ConfigError: the generator makes videos only, or does not know the skill.
    """
    if Capability.NEEDS_SCENE not in registry.card("generator", generator).capabilities:
        raise ConfigError(f"generator {generator} makes videos and no motion", "use gait, or name recordings")
    motion = motion_of(build("generator", generator, options), scene, skill, seconds, hz)
    return _demonstrations(motion, scene, hz, {"kind": "generator", "generator": generator})


def _demonstrations(motion: PlannedMotion, scene: Scene, hz: float, origin: Mapping[str, Any]) -> Demonstrations:
    return Demonstrations(
        robot=scene.spec.name,
        joints=tuple(actuator.joint for actuator in scene.spec.actuators),
        hz=hz,
        lengths=np.array([len(motion.qpos)], np.int64),
        qpos=motion.qpos,
        qvel=velocities(scene.model, motion.qpos, hz),
        provenance={**motion.facts, **origin},
    )


def read_any(path: Path, scene: Scene, hz: float) -> Demonstrations:
    """A file of demonstrations, or a recording of the scene's robot, which becomes 10 s of them; checked either way.

    Args:
        path: of the file.
        scene: of the robot that learns from them.
        hz: of the transitions that are learned from; a recording gets four rows for each.

    Raises:
        DataError: neither, or of another robot, or of a rate that is no multiple of ``hz``; one line.
    """
    if not path.is_file() or files.is_demonstrations(path) or not _may_be_recording(path):
        demonstrations = files.read_demonstrations(path)
        files.check_demonstrations(demonstrations, scene.spec, scene.model, str(path))
    else:
        try:
            demonstrations = from_recordings([path], scene, hz=4 * hz)
        except DataError as error:
            hint = f"{make_command(scene.spec.name, 'walk.npz', str(path))} takes options to read it with"
            raise DataError(f"{path}: {error.message}", hint) from None
    demonstrations.stride(hz)
    return demonstrations


def _may_be_recording(path: Path) -> bool:
    """Whether ``mocap`` is worth a try: not for files of demonstrations that are damaged."""
    try:
        return files.HEADER.encode() + b".npy" not in path.read_bytes()
    except OSError:
        return False
