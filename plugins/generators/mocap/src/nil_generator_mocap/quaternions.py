"""Rotations as quaternions, w first, along the last axis."""

from __future__ import annotations

import numpy as np

from nil_core.api import Doubles


def turn(axis: tuple[int, int, int], angles: Doubles) -> Doubles:
    """Turns by (n,) rad about a unit axis: (n, 4)."""
    half = np.asarray(angles)[..., None] / 2
    return np.concatenate([np.cos(half), np.sin(half) * np.array(axis)], axis=-1)


def multiply(a: Doubles, b: Doubles) -> Doubles:
    """Products (..., 4): b first, then a."""
    (aw, ax, ay, az), (bw, bx, by, bz) = np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def yaw(quaternions: Doubles) -> Doubles:
    """Heading (...,) rad: where the x axis points, seen from above."""
    w, x, y, z = np.moveaxis(quaternions, -1, 0)
    heading: Doubles = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y**2 + z**2))
    return heading


def continuous(quaternions: Doubles) -> Doubles:
    """The same rotations (n, 4) with signs that never jump, so that they can be interpolated."""
    flips = np.sign((quaternions[1:] * quaternions[:-1]).sum(axis=-1))
    return quaternions * np.cumprod(np.concatenate([[1.0], np.where(flips < 0, -1.0, 1.0)]))[:, None]
