"""Preview of the reference in the observation: principal components of the features and the mask of each frame.

The whole reference is known before training, so this is not privileged information. It lets all cycles of a gait share
experience.
"""

from __future__ import annotations

import numpy as np

from nil_core.types import Doubles, Floats, Masks, Reference

MASK_SIDE = 16


def preview(reference: Reference, components: int) -> Floats:
    """Principal components of features and of 16 x 16 masks, each of unit variance over the reference.

    Args:
        reference: T frames; features may be empty (T, 0).
        components: maximum number of components of features and of masks.

    Returns:
        float32 (T, P), P at most twice ``components``.
    """
    feature_components = _principal(reference.features.astype(np.float64), components)
    mask_components = _principal(shrink(reference.masks, MASK_SIDE).reshape(len(reference.masks), -1), components)
    return np.concatenate([feature_components, mask_components], axis=1).astype(np.float32)


def shrink(masks: Masks, side: int) -> Doubles:
    """Share of robot pixels (T, side, side) in each cell of masks (T, S, S), S at least ``side``."""
    size = masks.shape[1]
    cell = np.arange(size) * side // size
    pool = (cell == np.arange(side)[:, None]).astype(np.float64)
    pool /= pool.sum(axis=1, keepdims=True)
    shares: Doubles = np.einsum("ay,tyx,bx->tab", pool, masks.astype(np.float64), pool, optimize=True)
    return shares


def _principal(rows: Doubles, components: int) -> Doubles:
    centered = rows - rows.mean(axis=0)
    if not centered.any():
        return np.zeros((len(rows), 0))
    directions, singular_values, _ = np.linalg.svd(centered, full_matrices=False)
    kept = min(components, int((singular_values > 1e-6 * singular_values[0]).sum()))
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])])
    components_: Doubles = (directions * signs)[:, :kept] * np.sqrt(len(rows))
    return components_
