"""How fast a motion goes forward."""

from __future__ import annotations

from nil_core.types import Doubles


def mean_speed(qpos: Doubles, hz: float, skip: float = 0.0) -> float:
    """Mean forward speed of the root in m/s.

    Args:
        qpos: float64 (T, nq), T >= 2, root first; row t belongs to time t / hz.
        hz: rows a second.
        skip: share of the motion that is left out at its beginning, in which it starts from rest.
    """
    first = min(int(skip * len(qpos)), len(qpos) - 2)
    return float((qpos[-1, 0] - qpos[first, 0]) * hz / (len(qpos) - 1 - first))
