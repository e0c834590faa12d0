"""How far masks overlap."""

from __future__ import annotations

import numpy as np

from nil_core.types import Floats, Masks


def iou(a: Masks, b: Masks) -> Floats:
    """Intersection over union (B,) of masks (B, H, W); 1 where both are empty (S_M)."""
    flat_a, flat_b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    both = np.count_nonzero(flat_a & flat_b, axis=1)
    either = np.count_nonzero(flat_a | flat_b, axis=1)
    return np.where(either > 0, both / np.maximum(either, 1), 1.0).astype(np.float32)
