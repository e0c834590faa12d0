"""Videos from which nothing good can be learned, made of good ones: for tests of what is said about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nil_core.errors import DataError
from nil_core.sim.scene import RobotScene
from nil_core.types import Video


def with_cut(video: Video, jump: float = 0.5) -> Video:
    """In the middle the video goes on at another moment of itself: ``jump`` (of its length) later, or around."""
    count = len(video.frames)
    rows = np.arange(count)
    rows[count // 2 :] = (rows[count // 2 :] + round(jump * count)) % count
    return _rows(video, rows)


def still(video: Video) -> Video:
    """The first frame, over and over."""
    return _rows(video, np.zeros(len(video.frames), np.int64))


def mirrored(video: Video) -> Video:
    """Left is right; there is no trajectory any more, for the robot's joints do not move so."""
    masks = None if video.masks is None else np.ascontiguousarray(video.masks[:, :, ::-1])
    return replace(video, frames=np.ascontiguousarray(video.frames[:, :, ::-1]), masks=masks, trajectory=None)


def lost(video: Video, seen: float = 0.5) -> Video:
    """After a share of the frames the robot is gone: black, and empty masks where there were masks."""
    first = max(round(seen * len(video.frames)), 1)
    frames, masks = video.frames.copy(), None if video.masks is None else video.masks.copy()
    frames[first:] = 0
    if masks is not None:
        masks[first:] = False
    return replace(video, frames=frames, masks=masks, trajectory=None)


def another_robot(video: Video, other: RobotScene) -> Video:
    """As long and as fast a video of another robot, which swings its joints once a second.

    Raises:
        DataError: the other robot's frames have another size.
    """
    if video.frames.shape[1:3] != (other.render_size, other.render_size):
        raise DataError(f"the other robot is drawn at {other.render_size}, the video is {video.frames.shape[1:3]}")
    poses = np.tile(other.standing_qpos, (len(video.frames), 1))
    swing = np.sin(2 * np.pi * np.arange(len(poses)) / video.fps)
    for i, actuator in enumerate(other.spec.actuators):
        address = other.model.joint(actuator.joint).qposadr[0]
        poses[:, address] += actuator.action_range * swing * (-1) ** i
    frames, masks = other.render(poses)
    return replace(video, frames=frames, masks=masks, trajectory=None)


def _rows(video: Video, rows: np.ndarray) -> Video:
    masks = None if video.masks is None else video.masks[rows]
    trajectory = None if video.trajectory is None else video.trajectory[rows]
    return replace(video, frames=video.frames[rows], masks=masks, trajectory=trajectory)
