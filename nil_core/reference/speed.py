"""Forward speed of a motion."""

from __future__ import annotations

from nil_core.types import Doubles


def mean_speed(qpos: Doubles, hz: float, skip: float = 0.0) -> float:
    """Mean forward speed of the root in m/s.

    Args:
        qpos: float64 (T, nq), T >= 2, root first; row t is at time t / hz.
        hz: rows per second.
        skip: share of the motion to skip at its beginning, where it starts from rest.
    """
    first = min(int(skip * len(qpos)), len(qpos) - 2)
    return float((qpos[-1, 0] - qpos[first, 0]) * hz / (len(qpos) - 1 - first))
