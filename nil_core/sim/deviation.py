"""Early termination of episodes that deviate too far from the motion of the reference."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from nil_core.sim.motion import at_control_steps, uprights
from nil_core.types import Doubles

TILT_PER_METER = 3.0
"""rad of tilt that count as much as a meter of height: .75 rad and .25 m, as in BeyondMimic (.8 and .25)."""


@dataclass(frozen=True)
class Deviation:
    """The motion at control steps, and the limit on deviations from it.

    Attributes:
        heights: float64 (control steps + 1,), m, of the root.
        uprights: float64 (control steps + 1, 3), the root's up axis in world coordinates.
        limit: of the height in m; the limit of the tilt in rad is ``TILT_PER_METER`` times this.
    """

    heights: Doubles
    uprights: Doubles
    limit: float

    @classmethod
    def from_motion(cls, qpos: Doubles, steps_per_tick: int, limit: float) -> Deviation:
        """Build it from a motion at ticks, float64 (T, nq), root first."""
        ups = at_control_steps(uprights(qpos), steps_per_tick)
        ups = ups / np.linalg.norm(ups, axis=1, keepdims=True)
        return cls(at_control_steps(qpos[:, 2], steps_per_tick), ups, limit)

    def exceeded(self, data: mujoco.MjData, root: int, control_step: int) -> bool:
        """Whether the root's height or tilt differs too much from the motion's at that control step."""
        height = abs(data.xpos[root][2] - self.heights[control_step])
        cosine = data.xmat[root].reshape(3, 3)[:, 2] @ self.uprights[control_step]
        tilt = np.arccos(np.clip(cosine, -1.0, 1.0))
        return bool(height > self.limit or tilt > TILT_PER_METER * self.limit)
