"""From a video's frame rate to the tick rate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nil_core.errors import DataError


def hold(frames: int, fps: float, tick_hz: float) -> npt.NDArray[np.int64]:
    """Which frame shows at each tick: the last one whose time has come (paper v1).

    Args:
        frames: T, frames in the video; frame i shows time i / fps.
        fps: as read from the video, never assumed.
        tick_hz: ticks a second.

    Returns:
        frame index (ticks + 1,), from time 0 to the last tick the video reaches.

    Raises:
        DataError: the video ends before the first tick.
    """
    ticks = int(np.floor((frames - 1) / fps * tick_hz + 1e-6))
    if ticks < 1:
        raise DataError(
            f"the video is too short: {frames} frame(s) at {fps:g} fps, less than one tick at {tick_hz:g} Hz",
            "a video to imitate shows the robot for a second or more",
        )
    return np.floor(np.arange(ticks + 1) / tick_hz * fps + 1e-6).astype(np.int64)
