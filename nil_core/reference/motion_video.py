"""The recovered robot drawn over the video, for people to judge the recovery by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import binary_dilation

from nil_core.sim.scene import RobotScene
from nil_core.types import Frames, Masks, Motion
from nil_core.video.files import side_by_side, write_video

NAME = "motion.mp4"
SIDE = 384  # pixels of each of the three pictures
OUTLINE = (255, 140, 0)


def write_motion_video(folder: Path, scene: RobotScene, frames: Frames, motion: Motion, hz: float) -> Path:
    """Write ``motion.mp4``: the video, the recovered robot, and its outline over the video.

    Args:
        folder: where to.
        scene: the robot.
        frames: uint8 (T, S, S, 3), robot on black, one for each row of the motion.
        motion: what was recovered.
        hz: frames a second.
    """
    drawn, masks = scene.render(motion.qpos)
    panels = [_enlarged(frames), _enlarged(drawn), _outlined(frames, masks)]
    path = folder / NAME
    write_video(path, side_by_side(panels), hz)
    return path


def _outlined(frames: Frames, masks: Masks) -> Frames:
    large = _enlarged(frames)
    for picture, mask in zip(large, masks, strict=True):
        inside = np.asarray(Image.fromarray(mask).resize((SIDE, SIDE), Image.Resampling.NEAREST))
        picture[binary_dilation(inside, iterations=2) & ~inside] = OUTLINE
    return large


def _enlarged(frames: Frames) -> Frames:
    """At SIDE pixels."""
    return np.stack(
        [np.asarray(Image.fromarray(frame).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for frame in frames]
    )
