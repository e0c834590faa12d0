"""Interpolate a video's size and the square that reward and encoder see, and from the first frame to a model's size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from nil_core.errors import DataError
from nil_core.types import Color, CropBox, Frames, Masks


def enclosing_square(width: int, height: int) -> CropBox:
    """The square that shows the whole of a picture, in its middle."""
    side = max(width, height)
    return -((side - width) // 2), -((side - height) // 2), side


def central_square(width: int, height: int) -> CropBox:
    """Where a letterboxed first frame lies in a video of any size, for :attr:`nil_core.types.Video.crop_box`."""
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, side


def letterbox(frame: Frames, width: int, height: int, background: Color) -> Frames:
    """A first frame at the size and aspect that a model wants: whole, in the middle, the background around it.

    The video that comes of it shows the first frame in :func:`central_square`, whatever size it has itself.

    Args:
        frame: uint8 (S, S, 3).
        width, height: pixels wanted.
        background: :attr:`nil_core.types.GenerationRequest.background`.

    Returns:
        uint8 (height, width, 3).

    Raises:
        DataError: the frame is no square.
    """
    if frame.shape[0] != frame.shape[1]:
        raise DataError(f"a first frame is a square, got {frame.shape[1]}x{frame.shape[0]}", "letterbox only once")
    left, top, side = map(int, central_square(width, height))
    picture = np.full((height, width, 3), background, np.uint8)
    resized = Image.fromarray(frame).resize((side, side), Image.Resampling.LANCZOS)
    picture[top : top + side, left : left + side] = np.asarray(resized)
    return picture


def to_square(
    frames: Frames, masks: Masks, size: int, crop_box: CropBox | Sequence[CropBox] | None = None
) -> tuple[Frames, Masks]:
    """The robot on black, as the renderer would show it.

    Args:
        frames: uint8 (T, H, W, 3).
        masks: bool (T, H, W); what they leave out becomes black.
        size: S.
        crop_box: the square to show, or one for each frame; None: the whole picture, padded with black.

    Returns:
        uint8 (T, S, S, 3) and bool (T, S, S).
    """
    crop_box = crop_box or enclosing_square(frames.shape[2], frames.shape[1])
    boxes = [crop_box] * len(frames) if isinstance(crop_box, tuple) else crop_box
    pictures = (crop(*each, size) for each in zip(frames, masks, boxes, strict=True))
    squares, robots = zip(*pictures, strict=True)
    return np.stack(squares), np.stack(robots)


def fit_mask(mask: Masks, height: int, width: int, crop_box: CropBox | None = None) -> Masks:
    """A mask of the first frame (S, S) laid on a video (H, W) where :func:`to_square` would take it from."""
    left, top, side = crop_box or enclosing_square(width, height)
    # pixel centers
    rows = np.floor((np.arange(height) + 0.5 - top) * mask.shape[0] / side).astype(np.int64)
    columns = np.floor((np.arange(width) + 0.5 - left) * mask.shape[1] / side).astype(np.int64)
    inside = ((rows >= 0) & (rows < mask.shape[0]))[:, None] & ((columns >= 0) & (columns < mask.shape[1]))
    fitted: Masks = inside & mask[np.ix_(rows.clip(0, mask.shape[0] - 1), columns.clip(0, mask.shape[1] - 1))]
    return fitted


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
