"""A square of a picture, at another size: the one way by which reference and rollout reach reward and encoder."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from nil_core.types import Frames, Masks, Window


def crop(frame: Frames, mask: Masks, window: Window, size: int) -> tuple[Frames, Masks]:
    """The robot on black, as the renderer would show it.

    Args:
        frame: uint8 (H, W, 3).
        mask: bool (H, W); what it leaves out becomes black.
        window: the square to show; beyond the picture there is black.
        size: S.

    Returns:
        uint8 (S, S, 3) and bool (S, S).
    """
    robot = np.where(mask[..., None], frame, np.uint8(0))
    if window == (0, 0, size) and mask.shape == (size, size):
        return robot, mask
    small = _resample(np.concatenate([robot, mask[..., None] * np.uint8(255)], axis=-1), window, size)
    inside = small[..., 3] > 127
    return np.where(inside[..., None], small[..., :3], np.uint8(0)), inside


def _resample(picture: Frames, window: Window, size: int) -> Frames:
    """Hamming's filter: averages when shrinking, interpolates when enlarging, and keeps pixels that fit."""
    left, top, side = window
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = math.floor(left), math.floor(top), math.ceil(left + side), math.ceil(top + side)
    rows, columns = slice(max(y0, 0), max(min(y1, height), 0)), slice(max(x0, 0), max(min(x1, width), 0))
    piece = np.zeros((y1 - y0, x1 - x0, 4), np.uint8)
    piece[rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0] = picture[rows, columns]
    box = (left - x0, top - y0, min(left - x0 + side, x1 - x0), min(top - y0 + side, y1 - y0))
    # four plain bands: as RGBA, Pillow would weigh colours by the fourth
    resized = Image.fromarray(piece, "CMYK").resize((size, size), Image.Resampling.HAMMING, box)
    return np.asarray(resized)
