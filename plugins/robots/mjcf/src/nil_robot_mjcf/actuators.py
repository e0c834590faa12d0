"""Which joints are driven, how strongly, and with what gains."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np

from nil_core.api import Doubles

GRAVITY = 9.81  # m/s^2
LEG_STIFFNESS = 3.0  # of the torque per rad by which the robot's weight topples it about its ankles
OTHER_STIFFNESS = 4.0  # of the torque that holds what hangs on the joint out horizontally
SLOWEST, FASTEST = 20.0, 250.0  # rad/s of a joint's own oscillation; a faster one would need shorter time steps
SATURATION = 0.02  # rad of error at which the torque limit may be reached at the earliest
DAMPING_RATIO = 0.5
UNLIMITED_ERROR = 0.3  # rad of error at which the torque limit is reached of a joint that has none in the file
ACTION_SHARE, LEAST_ACTION, LARGEST_ACTION = 0.15, 0.1, 0.5  # of the joint's range; rad


def torque_limits(model: mujoco.MjModel, root: str) -> dict[str, float]:
    """Largest torque (N m, inf for no limit) of each driven hinge of the robot, in the order of the actuators.

    A tendon's actuator drives all of its joints; several actuators of one joint add up. A joint's own limit
    (``actuatorfrcrange``) holds over them.
    """
    tree = model.body_rootid[model.body(root).id]
    limits: dict[int, float] = {}
    for actuator in range(model.nu):
        force = _largest_force(model, actuator)
        for joint, arm in _joints_of(model, actuator).items():
            hinge = model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_HINGE
            if hinge and arm > 0 and model.body_rootid[model.jnt_bodyid[joint]] == tree:
                limits[joint] = limits.get(joint, 0.0) + force * arm
    for joint in limits:
        if model.jnt_actfrclimited[joint]:
            limits[joint] = min(limits[joint], float(np.abs(model.jnt_actfrcrange[joint]).max()))
    return {model.joint(joint).name: limit for joint, limit in limits.items() if limit > 0}


def hinges(model: mujoco.MjModel, root: str) -> dict[str, float]:
    """Largest torque (N m, inf for no limit) that each hinge of the robot has by itself, in order."""
    tree = model.body_rootid[model.body(root).id]
    turning = (model.jnt_type == mujoco.mjtJoint.mjJNT_HINGE) & (model.body_rootid[model.jnt_bodyid] == tree)
    torque = np.where(model.jnt_actfrclimited, np.abs(model.jnt_actfrcrange).max(axis=1), np.inf)
    return {str(model.joint(joint).name): float(torque[joint]) for joint in np.flatnonzero(turning)}


def stiffness(
    model: mujoco.MjModel, data: mujoco.MjData, joint: str, in_leg: bool, limit: float, armature: float = 0.0
) -> float:
    """Proportional gain, N m/rad, of one joint, for a robot that stands.

    Args:
        model: the robot.
        data: the standing pose, forward computed.
        joint: its name.
        in_leg: whether it stands between the root and a foot, and so carries the robot.
        limit: N m, inf for none.
        armature: kg m^2 that the joint has beside what the model says.
    """
    number = model.joint(joint).id
    body = model.jnt_bodyid[number]
    if in_leg:
        wanted = _carrying_stiffness(model, data)
    else:
        lever = np.linalg.norm(data.subtree_com[body] - data.xanchor[number])
        wanted = OTHER_STIFFNESS * GRAVITY * model.body_subtreemass[body] * lever
    inertia = _inertia(model, joint) + armature
    return float(min(np.clip(wanted, inertia * SLOWEST**2, inertia * FASTEST**2), limit / SATURATION))


def damping(model: mujoco.MjModel, joint: str, kp: float, armature: float = 0.0) -> float:
    """Derivative gain, N m s/rad, that together with the joint's own damping reaches the damping ratio."""
    own = float(model.dof_damping[model.joint(joint).dofadr[0]])
    return max(2 * DAMPING_RATIO * float(np.sqrt(kp * (_inertia(model, joint) + armature))) - own, 0.0)


def missing_armature(model: mujoco.MjModel, data: mujoco.MjData, joint: str, limit: float) -> float:
    """Inertia of a motor, kg m^2, with which a leg's joint can be as stiff as standing takes.

    A foot alone is so light that the time steps would be too long for it. A URDF cannot say what the motors add.

    Args:
        model: the robot.
        data: the standing pose, forward computed.
        joint: its name.
        limit: N m, inf for none.
    """
    if model.dof_armature[model.joint(joint).dofadr[0]] > 0:
        return 0.0
    wanted = min(_carrying_stiffness(model, data), limit / SATURATION)
    return max(wanted / FASTEST**2 - _inertia(model, joint), 0.0)


def action_range(model: mujoco.MjModel, joint: str) -> float:
    """How far (rad) an action of 1 moves the joint's target."""
    number = model.joint(joint).id
    if not model.jnt_limited[number]:
        return LARGEST_ACTION
    return float(np.clip(ACTION_SHARE * np.ptp(model.jnt_range[number]), LEAST_ACTION, LARGEST_ACTION))


def chosen(option: float | Mapping[str, float] | None, joint: str, derived: float) -> float:
    """What the user set for a joint, else what was derived."""
    if isinstance(option, Mapping):
        return option.get(joint, derived)
    return derived if option is None else option


def _carrying_stiffness(model: mujoco.MjModel, data: mujoco.MjData) -> float:
    """N m/rad, of a joint that carries the robot."""
    return float(LEG_STIFFNESS * GRAVITY * model.body_subtreemass[0] * data.subtree_com[0, 2])


def _inertia(model: mujoco.MjModel, joint: str) -> float:
    return float(model.dof_M0[model.joint(joint).dofadr[0]])


def _joints_of(model: mujoco.MjModel, actuator: int) -> dict[int, float]:
    """Joints that an actuator drives, with their lever arms."""
    target = int(model.actuator_trnid[actuator, 0])
    gear = abs(float(model.actuator_gear[actuator, 0]))
    transmission = mujoco.mjtTrn(int(model.actuator_trntype[actuator]))
    if transmission in (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT):
        return {target: gear}
    if transmission != mujoco.mjtTrn.mjTRN_TENDON:
        return {}
    first = model.tendon_adr[target]
    wraps = [
        w for w in range(first, first + model.tendon_num[target]) if model.wrap_type[w] == mujoco.mjtWrap.mjWRAP_JOINT
    ]
    return {int(model.wrap_objid[w]): gear * abs(float(model.wrap_prm[w])) for w in wraps}


def _largest_force(model: mujoco.MjModel, actuator: int) -> float:
    if model.actuator_forcelimited[actuator]:
        return float(np.abs(model.actuator_forcerange[actuator]).max())
    fixed = model.actuator_gaintype[actuator] == mujoco.mjtGain.mjGAIN_FIXED
    if not fixed or not model.actuator_ctrllimited[actuator]:
        return float("inf")
    control: Doubles = model.actuator_ctrlrange[actuator]
    servo = model.actuator_biastype[actuator] == mujoco.mjtBias.mjBIAS_AFFINE
    # A servo's force is its gain times the error, which can be as large as the range of its targets.
    return float(abs(model.actuator_gainprm[actuator, 0]) * (np.ptp(control) if servo else np.abs(control).max()))
