"""First frame of a video: the standing robot on a plain background (NIL, section 3.1)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nil_core.config import VideoSettings
from nil_core.sim.scene import RobotScene
from nil_core.types import BLACK, Color, Frames, Masks

BACKGROUND_COLORS: dict[str, Color] = {"black": BLACK, "white": (255, 255, 255), "green": (0, 177, 64)}
"""Background colors by name; the green is that of green screens."""

DISTANCE_PERCENTILE = 5.0
"""Percent of the robot's pixels that may be closer to a color than its distance: highlights, edges, small parts."""


def draw_first_frame(scene: RobotScene, video: VideoSettings) -> tuple[Frames, Masks, Color]:
    """Render the standing robot at ``video.first_frame_size`` on ``video.background``.

    Returns:
        uint8 (S, S, 3), the exact mask bool (S, S), and the color around the robot.
    """
    frames, masks = replace(scene, render_size=video.first_frame_size).render(scene.standing_qpos[None])
    frame, mask = frames[0], masks[0]
    background = _color(video.background, frame[mask])
    return np.where(mask[..., None], frame, np.array(background, np.uint8)), mask, background


def _color(wanted: str, robot: Frames) -> Color:
    if wanted == "auto":
        return max(BACKGROUND_COLORS.values(), key=lambda color: distance(color, robot))
    if wanted in BACKGROUND_COLORS:
        return BACKGROUND_COLORS[wanted]
    red, green, blue = bytes.fromhex(wanted.removeprefix("#"))
    return red, green, blue


def distance(color: Color, robot: Frames) -> float:
    """Distance of a color from a robot's pixels uint8 (P, 3), in units of 8-bit RGB."""
    if not len(robot):
        return 0.0
    return float(np.percentile(np.linalg.norm(robot - np.array(color, np.float64), axis=1), DISTANCE_PERCENTILE))
