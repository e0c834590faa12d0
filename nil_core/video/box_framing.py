"""A square that follows the robot: reference and rollout are framed by the same rule."""

from __future__ import annotations

import math

import numpy as np

from nil_core.types import Doubles, Frames, Masks
from nil_core.video.crop import crop

MARGIN = 0.1
"""Black around the robot's box, as a share of the box's longer side, on each side."""

SMOOTHING = 0.3
"""Seconds in which the square makes up for two thirds of a sudden change of the box."""


class BoxFraming:
    """Follows the robots of N running pictures with a square about each one's box.

    The square is the box's padded, smoothed over the past alone: a rollout knows no future, and its reference is framed
    by the same rule.

    Args:
        num_envs: N.
        tick_hz: pictures a second.

    Attributes:
        crop_boxes: float64 (N, 3), the squares that were taken last.
    """

    def __init__(self, num_envs: int, tick_hz: float) -> None:
        self.crop_boxes: Doubles = np.zeros((num_envs, 3))
        self._gain = 1 - math.exp(-1 / (SMOOTHING * tick_hz))

    def take(self, i: int, frame: Frames, mask: Masks, first: bool, lag: Doubles | None = None) -> tuple[Frames, Masks]:
        """Crop the next picture of a robot, or the first of its episode: uint8 (S, S, 3) and bool (S, S), as given.

        Where there is no robot any more, the square stays. In an episode that starts later in the reference, the first
        square lies as far from the robot's own as there: ``lag`` (3,), a row of what :func:`box_framed` returns.
        """
        if first:
            self.crop_boxes[i] = _around(mask) + (0.0 if lag is None else lag)
        elif mask.any():
            self.crop_boxes[i] += self._gain * (_around(mask) - self.crop_boxes[i])
        left, top, side = map(float, self.crop_boxes[i])
        return crop(frame, mask, (left, top, side), len(mask))


def box_framed(frames: Frames, masks: Masks, tick_hz: float) -> tuple[Frames, Masks, Doubles]:
    """A whole video, uint8 (T, S, S, 3) and bool (T, S, S), framed as a rollout is.

    Returns:
        frames and masks, and how far the squares lie from each robot's own: float64 (T, 3), left, top and side.
    """
    framing = BoxFraming(1, tick_hz)
    framed, framed_masks, lags = np.empty_like(frames), np.empty_like(masks), np.zeros((len(masks), 3))
    for t, (frame, mask) in enumerate(zip(frames, masks, strict=True)):
        framed[t], framed_masks[t] = framing.take(0, frame, mask, first=t == 0)
        lags[t] = framing.crop_boxes[0] - _around(mask)
    return framed, framed_masks, lags


def _around(mask: Masks) -> Doubles:
    """The padded square about the robot of a mask, the whole picture where there is none: left, top, side."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.array([0.0, 0.0, len(mask)])
    spans = np.array([[columns[0], columns[-1] + 1], [rows[0], rows[-1] + 1]], np.float64)
    side = (1 + 2 * MARGIN) * np.diff(spans).max()
    return np.append(spans.mean(axis=1) - side / 2, side)
