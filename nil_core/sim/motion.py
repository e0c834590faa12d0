"""Motion of a reference at the rates of the simulation: interpolation between ticks, and velocities."""

from __future__ import annotations

import mujoco
import numpy as np

from nil_core.types import Doubles

SMOOTHING_TICKS = 5
"""Window, in ticks, of the smoothing before velocities are computed (Savitzky-Golay, order 2)."""


def at_control_steps(rows: Doubles, steps_per_tick: int) -> Doubles:
    """Interpolate rows at ticks (T, ...) linearly to control steps ((T - 1) * steps_per_tick + 1, ...)."""
    steps = np.arange((len(rows) - 1) * steps_per_tick + 1)
    before, inside = np.divmod(steps, steps_per_tick)
    share = (inside / steps_per_tick).reshape(-1, *[1] * (rows.ndim - 1))
    after = np.minimum(before + 1, len(rows) - 1)
    between: Doubles = np.where(share > 0, (1 - share) * rows[before] + share * rows[after], rows[before])
    return between


def velocities(model: mujoco.MjModel, qpos: Doubles, hz: float) -> Doubles:
    """Velocities (T, nv) of a lightly smoothed motion (T, nq): central differences, one-sided at the ends.

    Args:
        model: with a free root that comes first.
        qpos: positions; row t is at time t / hz.
        hz: rows per second.
    """
    smooth = _smoothed(qpos)
    last = len(smooth) - 1
    rows = np.zeros((len(smooth), model.nv))
    for t in range(len(smooth)):
        before, after = max(t - 1, 0), min(t + 1, last)
        if after > before:
            mujoco.mj_differentiatePos(model, rows[t], (after - before) / hz, smooth[before], smooth[after])
    return rows


def uprights(qpos: Doubles) -> Doubles:
    """The root's up axis in world coordinates, unit vectors (T, 3), for poses (T, nq), root first."""
    rows = np.zeros((len(qpos), 9))
    for row, pose in zip(rows, qpos, strict=True):
        mujoco.mju_quat2Mat(row, pose[3:7])
    return rows.reshape(-1, 3, 3)[:, :, 2]


def _smoothed(qpos: Doubles) -> Doubles:
    """Smooth a motion; the signs of the root's quaternions are aligned before, and they are normalized afterwards."""
    if len(qpos) < SMOOTHING_TICKS:
        return qpos
    from scipy.signal import savgol_filter  # a second of imports that processes without a motion save

    poses = qpos.copy()
    flips = np.where((poses[1:, 3:7] * poses[:-1, 3:7]).sum(axis=1) < 0, -1.0, 1.0)
    poses[1:, 3:7] *= np.cumprod(flips)[:, None]
    smooth: Doubles = savgol_filter(poses, SMOOTHING_TICKS, 2, axis=0)
    smooth[:, 3:7] /= np.linalg.norm(smooth[:, 3:7], axis=1, keepdims=True)
    return smooth
