"""Square frames at another size."""

from __future__ import annotations

import numpy as np

from nil_core.types import Frames


def resize(frames: Frames, size: int) -> Frames:
    """Square frames (..., S, S, 3) to (..., size, size, 3): means when shrinking by a whole factor, else bilinear."""
    side = frames.shape[-2]
    if side == size:
        return frames
    if side % size == 0:
        f = side // size
        blocks = frames.reshape(*frames.shape[:-3], size, f, size, f, 3)
        means: Frames = np.rint(blocks.mean(axis=(-4, -2), dtype=np.float32)).astype(np.uint8)
        return means
    at = np.clip((np.arange(size) + 0.5) * side / size - 0.5, 0, side - 1)
    low = np.minimum(at.astype(np.int64), side - 2)
    share = (at - low).astype(np.float32)
    rows = frames[..., low, :, :] * (1 - share)[:, None, None] + frames[..., low + 1, :, :] * share[:, None, None]
    both = rows[..., low, :] * (1 - share)[:, None] + rows[..., low + 1, :] * share[:, None]
    resized: Frames = np.rint(both).astype(np.uint8)
    return resized
