"""Base of the actions: PD targets of action 0 at every control step."""

from __future__ import annotations

import numpy as np

from nil_core.sim.driven_joints import DrivenJoints
from nil_core.sim.motion import at_control_steps
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles


def action_base(scene: RobotScene, qpos: Doubles, steps_per_tick: int) -> Doubles:
    """PD targets that follow a motion: those of the standing pose plus the motion's joint offsets from that pose.

    The target of the step from k to k + 1 is the motion at its end, k + 1: PD control lags behind its target.

    Args:
        scene: under PD control; ``standing_ctrl`` compensates the robot's weight, so that a standing motion keeps the
            robot standing.
        qpos: float64 (T, nq), the motion at ticks.
        steps_per_tick: control steps in a tick.

    Returns:
        float64 (control steps, nu) in rad; the control of action a is this plus ``action_scale * a``. Joint
        angles of the motion are clipped to the limits.
    """
    joints = DrivenJoints.of(scene.model, scene.spec)
    angles = np.clip(qpos[:, joints.qpos], joints.lower, joints.upper)
    offsets = angles - scene.standing_qpos[joints.qpos]
    base: Doubles = scene.standing_ctrl + at_control_steps(offsets, steps_per_tick)[1:]
    return base
