"""Motions of generators that draw the robot themselves, without their pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nil_core.components import build
from nil_core.errors import DataError
from nil_core.interfaces import VideoGenerator
from nil_core.types import Doubles, Frames, GenerationRequest, Masks, Progress, RobotSpec, Scene, no_progress

READER = "mocap"
"""The generator that reads recordings."""


@dataclass(frozen=True)
class PlannedMotion:
    """A motion at the rate that was asked for.

    Attributes:
        qpos: float64 (T, nq).
        facts: of the generator.
    """

    qpos: Doubles
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class _Undrawn:
    """A scene whose pictures are black and one pixel large (implements :class:`nil_core.types.Scene`)."""

    scene: Scene

    @property
    def spec(self) -> RobotSpec:
        return self.scene.spec

    @property
    def model(self) -> Any:
        return self.scene.model

    @property
    def standing_qpos(self) -> Doubles:
        return self.scene.standing_qpos

    def render(self, qpos: Doubles, progress: Progress = no_progress) -> tuple[Frames, Masks]:
        return np.zeros((len(qpos), 1, 1, 3), np.uint8), np.zeros((len(qpos), 1, 1), np.bool_)


def motion_of(generator: VideoGenerator, scene: Scene, skill: str, seconds: float, hz: float) -> PlannedMotion:
    """The motion that a generator draws.

    Args:
        generator: with the capability ``needs_scene``.
        scene: of the robot; nothing is drawn.
        skill: to show.
        seconds: length of the motion.
        hz: poses per second.

    Raises:
        NilError: as the generator does.
        DataError: it gives no motion.
    """
    request = GenerationRequest(
        prompt="",
        skill=skill,
        first_frame=np.zeros((1, 1, 3), np.uint8),
        first_mask=np.zeros((1, 1), np.bool_),
        fps=hz,
        seconds=seconds,
        seed=0,
        scene=_Undrawn(scene),
    )
    video = generator.generate(request, no_progress)
    if video.trajectory is None:
        raise DataError("the generator gave a video without a motion", "use gait, or name recordings")
    return PlannedMotion(np.asarray(video.trajectory, np.float64), video.facts)


def recorded_motion(path: Path, options: Mapping[str, Any], scene: Scene, seconds: float, hz: float) -> PlannedMotion:
    """The motion of a recording, from its first sample on, continued by its gait cycle where it is too short.

    Args:
        path: file of any layout that the generator ``mocap`` reads.
        options: of that generator, without ``path``.
        scene: of the recorded robot.
        seconds: length of the motion.
        hz: poses per second.

    Raises:
        PluginError: ``mocap`` is not installed.
        ConfigError: an option that it does not have.
        DataError: missing, damaged, of another robot, or too short.
    """
    return motion_of(build("generator", READER, {"ramp": 0.0, **options, "path": path}), scene, "", seconds, hz)
