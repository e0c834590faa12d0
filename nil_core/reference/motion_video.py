"""Video of the recovered motion over the reference, for visual inspection of the recovery."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import binary_dilation

from nil_core.sim.scene import RobotScene
from nil_core.types import Frames, Masks, Motion
from nil_core.video.files import side_by_side, write_video

NAME = "motion.mp4"
PANEL_PIXELS = 384  # side of each of the three panels
OUTLINE_COLOR = (255, 140, 0)


def write_motion_video(folder: Path, scene: RobotScene, frames: Frames, motion: Motion, hz: float) -> Path:
    """Write ``motion.mp4``: the video, the recovered robot, and its outline over the video.

    Args:
        folder: to write to.
        scene: the robot.
        frames: uint8 (T, S, S, 3), robot on black, one for each row of the motion.
        motion: the recovered motion.
        hz: frames per second.
    """
    drawn, masks = scene.render(motion.qpos)
    panels = [_enlarged(frames), _enlarged(drawn), _outlined(frames, masks)]
    path = folder / NAME
    write_video(path, side_by_side(panels), hz)
    return path


def _outlined(frames: Frames, masks: Masks) -> Frames:
    large = _enlarged(frames)
    for picture, mask in zip(large, masks, strict=True):
        inside = np.asarray(Image.fromarray(mask).resize((PANEL_PIXELS, PANEL_PIXELS), Image.Resampling.NEAREST))
        picture[binary_dilation(inside, iterations=2) & ~inside] = OUTLINE_COLOR
    return large


def _enlarged(frames: Frames) -> Frames:
    """Resize frames to ``PANEL_PIXELS``."""
    return np.stack(
        [
            np.asarray(Image.fromarray(frame).resize((PANEL_PIXELS, PANEL_PIXELS), Image.Resampling.BICUBIC))
            for frame in frames
        ]
    )
