"""Whether a robot's actions can express a motion: joint ranges, torque limits, and action ranges about a base."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np

from nil_core.sim.driven_joints import DrivenJoints
from nil_core.sim.scene import FLOOR, RobotScene
from nil_core.types import Doubles

ON_FLOOR = 0.015  # m; a foot this close to the floor carries the robot
LEVER = 0.05  # m; where two feet stand, a newton meter costs as much as this lever's force
BEYOND = 1e-3  # rad over a joint's limit that rounding explains

About = Literal["motion", "stand"]


@dataclass(frozen=True)
class Demand:
    """What a motion asks of the driven joints, in the order of the robot's actuators.

    Attributes:
        angle: (T, nu) rad.
        torque: (T, nu) N m, by inverse dynamics; the feet near the floor carry the robot, with the least force and
            moment where two of them do.
        correction: (T, nu) rad that an action must add to its base for that torque: to the motion's own joints (with
            what carries the weight in the stand), or to the stand.
    """

    angle: Doubles
    torque: Doubles
    correction: Doubles


def motion_demand(scene: RobotScene, motion: Doubles, hz: float = 25.0, about: About = "motion") -> Demand:
    """What a motion asks of a robot under PD control.

    Args:
        scene: of :func:`nil_core.testing.robot_scene`, PD control.
        motion: (T, nq), T >= 3, of the robot on the floor.
        hz: rows a second, and actions.
        about: what actions are added to.
    """
    joints = DrivenJoints.of(scene.model, scene.spec)
    gains = np.array([(actuator.kp, actuator.kd) for actuator in scene.spec.actuators])
    velocity = _velocities(scene.model, motion, hz)
    torque = _torques(scene, motion, velocity, np.gradient(velocity, 1 / hz, axis=0))[:, joints.qvel]
    angle = motion[:, joints.qpos]
    target = angle + (torque + gains[:, 1] * velocity[:, joints.qvel]) / gains[:, 0]
    base = np.broadcast_to(scene.standing_ctrl, angle.shape)
    if about == "motion":
        coming = np.concatenate([angle[1:], angle[-1:]])  # a target holds until the next row: half a row ahead
        base = base + (angle + coming) / 2 - scene.standing_qpos[joints.qpos]
    return Demand(angle, torque, target - base)


def check_can_express(
    scene: RobotScene, motion: Doubles, hz: float = 25.0, tolerance: float = 0.05, about: About = "motion"
) -> None:
    """Whether a robot's actions can express a motion: every joint within its range, its torque limit and, where actions
    are added to a base, its action range, but for a share of the moments.

    Args:
        scene: of :func:`nil_core.testing.robot_scene`, PD control.
        motion: (T, nq), T >= 3, of the robot on the floor.
        hz: rows a second, and actions.
        tolerance: share of the moments in which a joint may lack torque or action range.
        about: ``motion``: actions are added to the motion's own joints; ``stand``: to the standing pose.

    Raises:
        AssertionError: it names every joint that falls short, and by how much.
    """
    demand = motion_demand(scene, motion, hz, about)
    complaints = []
    for i, actuator in enumerate(scene.spec.actuators):
        joint = scene.model.joint(actuator.joint)
        angle, torque, correction = demand.angle[:, i], demand.torque[:, i], demand.correction[:, i]
        low, high = joint.range
        if joint.limited[0] and (angle.min() < low - BEYOND or angle.max() > high + BEYOND):
            moved = f"{angle.min():.2f} to {angle.max():.2f} rad"
            complaints.append(f"{actuator.joint} moves over {moved}, its range is {low:.2f} to {high:.2f}")
        for asked, limit, unit, what in (
            (torque, actuator.torque_limit, "N m", "torque_limit"),
            (correction, actuator.action_range, "rad", "action_range"),
        ):
            share = float(np.mean(np.abs(asked) > limit))
            if share > tolerance:
                most = f"{np.abs(asked).max():.3g} {unit} of {what} {limit:.3g}"
                complaints.append(
                    f"{actuator.joint} needs up to {most}, and more than that in {share:.0%} of the moments"
                )
    assert not complaints, f"the actions of {scene.spec.name} cannot express the motion: {'; '.join(complaints)}"


def _velocities(model: mujoco.MjModel, motion: Doubles, hz: float) -> Doubles:
    """(T, nv), by central differences, one-sided at the ends."""
    last = len(motion) - 1
    rows = np.zeros((len(motion), model.nv))
    for t in range(len(motion)):
        before, after = max(t - 1, 0), min(t + 1, last)
        mujoco.mj_differentiatePos(model, rows[t], (after - before) / hz, motion[before], motion[after])
    return rows


def _torques(scene: RobotScene, motion: Doubles, velocity: Doubles, acceleration: Doubles) -> Doubles:
    """Generalized forces of the joints (T, nv), the feet's share taken off."""
    model, floor = scene.model, scene.model.geom(FLOOR).id
    data = mujoco.MjData(model)
    geoms = [model.geom(name).id for name in scene.spec.feet]
    bodies = list(dict.fromkeys(int(model.geom_bodyid[geom]) for geom in geoms))
    forces = np.zeros((len(motion), model.nv))
    scale = np.array([1, 1, 1, LEVER, LEVER, LEVER])
    constraints = int(model.opt.disableflags)
    model.opt.disableflags = constraints | int(mujoco.mjtDisableBit.mjDSBL_CONSTRAINT)
    try:
        for t, qpos in enumerate(motion):
            data.qpos[:], data.qvel[:], data.qacc[:] = qpos, velocity[t], acceleration[t]
            mujoco.mj_inverse(model, data)
            forces[t] = data.qfrc_inverse
            rows = []
            for body in bodies:
                own = [geom for geom in geoms if model.geom_bodyid[geom] == body]
                if min(mujoco.mj_geomDistance(model, data, geom, floor, 1.0, None) for geom in own) < ON_FLOOR:
                    place = data.geom_xpos[own].mean(axis=0)
                    moving, turning = np.zeros((3, model.nv)), np.zeros((3, model.nv))
                    mujoco.mj_jac(model, data, moving, turning, place, body)
                    rows.append(np.concatenate([moving, turning]) * scale[:, None])
            if rows:
                jacobian = np.concatenate(rows)
                wrench = np.linalg.lstsq(jacobian[:, :6].T, forces[t, :6], rcond=None)[0]
                forces[t] -= jacobian.T @ wrench
    finally:
        model.opt.disableflags = constraints
    return forces
