"""A square of a picture, at another size: the one way by which reference and rollout reach reward and encoder."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from nil_core.types import CropBox, Doubles, Frames, Masks


def crop(frame: Frames, mask: Masks, crop_box: CropBox, size: int) -> tuple[Frames, Masks]:
    """The robot on black, as the renderer would show it.

    Args:
        frame: uint8 (H, W, 3).
        mask: bool (H, W); what it leaves out becomes black.
        crop_box: the square to show; beyond the picture there is black.
        size: S.

    Returns:
        uint8 (S, S, 3) and bool (S, S).
    """
    if crop_box == (0, 0, size) and mask.shape == (size, size):
        return np.where(mask[..., None], frame, np.uint8(0)), mask
    small = _resample(np.concatenate([frame, mask[..., None] * np.uint8(255)], axis=-1), crop_box, size)
    inside = small[..., 3] > 127
    return np.where(inside[..., None], small[..., :3], np.uint8(0)), inside


def _resample(picture: Frames, crop_box: CropBox, size: int) -> Frames:
    """Hamming's filter: averages when shrinking, interpolates when enlarging, and keeps pixels that fit."""
    left, top, side = crop_box
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = math.floor(left), math.floor(top), math.ceil(left + side), math.ceil(top + side)
    rows, columns = slice(max(y0, 0), max(min(y1, height), 0)), slice(max(x0, 0), max(min(x1, width), 0))
    piece = np.zeros((y1 - y0, x1 - x0, 4), np.uint8)
    piece[rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0] = picture[rows, columns]
    box = (left - x0, top - y0, min(left - x0 + side, x1 - x0), min(top - y0 + side, y1 - y0))
    # as RGBA, Pillow weighs colors by the mask: no black creeps into the robot's edge
    return np.asarray(Image.fromarray(piece, "RGBA").resize((size, size), Image.Resampling.HAMMING, box))


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
        square lies as far from the robot's own as there: ``lag`` (3,), a row of :func:`box_lags`.
        """
        if first:
            self.crop_boxes[i] = _around(mask) + (0.0 if lag is None else lag)
        elif mask.any():
            self.crop_boxes[i] += self._gain * (_around(mask) - self.crop_boxes[i])
        left, top, side = map(float, self.crop_boxes[i])
        return crop(frame, mask, (left, top, side), len(mask))


def box_framed(frames: Frames, masks: Masks, tick_hz: float) -> tuple[Frames, Masks]:
    """A whole video, uint8 (T, S, S, 3) and bool (T, S, S), framed as a rollout is."""
    framing = BoxFraming(1, tick_hz)
    squares = [framing.take(0, *each, first=t == 0) for t, each in enumerate(zip(frames, masks, strict=True))]
    return np.stack([frame for frame, _ in squares]), np.stack([mask for _, mask in squares])


def box_lags(masks: Masks, tick_hz: float) -> Doubles:
    """How far the squares of :func:`box_framed` lie from each robot's own: float64 (T, 3), left, top and side."""
    framing = BoxFraming(1, tick_hz)
    lags = np.zeros((len(masks), 3))
    for t, mask in enumerate(masks):
        framing.take(0, np.zeros((*mask.shape, 3), np.uint8), mask, first=t == 0)
        lags[t] = framing.crop_boxes[0] - _around(mask)
    return lags


def _around(mask: Masks) -> Doubles:
    """The padded square about the robot of a mask, the whole picture where there is none: left, top, side."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.array([0.0, 0.0, len(mask)])
    spans = np.array([[columns[0], columns[-1] + 1], [rows[0], rows[-1] + 1]], np.float64)
    side = (1 + 2 * MARGIN) * np.diff(spans).max()
    return np.append(spans.mean(axis=1) - side / 2, side)
