"""Small videos whose content is known."""

from __future__ import annotations

import numpy as np

from nil_core.types import Video


def moving_blob(frames: int = 12, height: int = 48, width: int = 64, fps: float = 12.0) -> Video:
    """A textured ellipse that crosses a black picture.

    Args:
        frames: T.
        height: H, pixels.
        width: W, pixels.
        fps: frames per second.

    Returns:
        frames uint8 (T, H, W, 3) and their true masks.
    """
    y, x = np.mgrid[:height, :width]
    center = np.linspace(0.3, 0.7, frames)[:, None, None] * width
    across = (x - center) / (0.2 * width)
    masks = across**2 + ((y - height / 2) / (0.3 * height)) ** 2 <= 1
    stripes = 150 + 80 * np.sin(6 * across) * np.cos(y / 3)
    colors = np.stack([stripes, 0.8 * stripes, 0.6 * stripes], axis=-1).astype(np.uint8)
    return Video(np.where(masks[..., None], colors, np.uint8(0)), fps, masks=masks)
