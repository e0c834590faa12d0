"""One way from a video's size to the square that reward and encoder see: padded with black, then resized."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nil_core.reward.windows import resize
from nil_core.types import Frames, Masks


def to_square(frames: Frames, masks: Masks, size: int) -> tuple[Frames, Masks]:
    """The robot on black, as the renderer would show it.

    Args:
        frames: uint8 (T, H, W, 3).
        masks: bool (T, H, W); what they leave out becomes black.
        size: S.

    Returns:
        uint8 (T, S, S, 3) and bool (T, S, S).
    """
    masked = np.where(masks[..., None], frames, np.uint8(0))
    if masked.shape[1] != masked.shape[2]:
        masked, masks = _pad(masked), _pad(masks)
    if masked.shape[1] == size:
        return masked, masks
    coverage = np.repeat(masks[..., None].astype(np.uint8) * 255, 3, axis=-1)
    small = np.stack([resize(frame, size) for frame in masked])
    robot = np.stack([resize(frame, size)[..., 0] > 127 for frame in coverage])
    return np.where(robot[..., None], small, np.uint8(0)), robot


def fit_mask(mask: Masks, height: int, width: int) -> Masks:
    """A square mask of the first frame (S, S) laid on a video (H, W), as :func:`to_square` frames it."""
    side = max(height, width)
    at = (2 * np.arange(side) + 1) * mask.shape[0] // (2 * side)  # pixel centres
    square = mask[np.ix_(at, at)]
    top, left = (side - height) // 2, (side - width) // 2
    return np.ascontiguousarray(square[top : top + height, left : left + width])


def _pad(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
    height, width = images.shape[1:3]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    padding = [(0, 0), (top, side - height - top), (left, side - width - left)] + [(0, 0)] * (images.ndim - 3)
    return np.pad(images, padding)
