"""The frames of a video that show something new.

Videos of a lower frame rate are held at the tick rate, and generators repeat frames. A repeated frame shows a robot
that stops for a moment and then catches up: feet that stand would travel too little, and joints turn too fast.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nil_core.types import Masks
from nil_core.video.masks import iou

MAX_REPEATS = 8  # consecutive frames: a robot that stays longer may really stand
MAX_REPEATED_CHANGE = 0.1  # of the smaller of the changes before and after
MIN_CHANGE_AROUND = 0.25  # of the video's median change; a robot that really stops slows down before and starts slowly


def distinct_frames(masks: Masks) -> npt.NDArray[np.int64]:
    """Indices of the frames without those that repeat the one before while the robot moves.

    Args:
        masks: bool (T, S, S).

    Returns:
        int64 (K,), ascending; the first two frames and the last are always among them.
    """
    change = 1 - iou(masks[:-1], masks[1:])
    least_around = MIN_CHANGE_AROUND * np.median(change[change > 0]) if change.any() else np.inf
    repeats = np.zeros(len(masks), np.bool_)
    for first in range(1, len(change)):
        for end in range(first + 1, min(first + MAX_REPEATS + 1, len(change))):
            around = min(change[first - 1], change[end])
            if around > least_around and change[first:end].max() < MAX_REPEATED_CHANGE * around:
                repeats[first + 1 : end + 1] = True
    return np.flatnonzero(~repeats)
