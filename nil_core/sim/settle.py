"""The pose in which a robot comes to rest under its own weight, and what keeps it from that."""

from __future__ import annotations

import mujoco
import numpy as np

from nil_core.errors import DataError
from nil_core.sim.driven_joints import DrivenJoints
from nil_core.types import Doubles, RobotSpec

SETTLE_ROUNDS = 8
SETTLE_SECONDS = 2.0  # long enough for a humanoid, which sways slowly on its ankles, to come to rest
SMALLER_STEPS = (4, 20)  # parts of a physics step that are tried where it is too long
MOSTLY = 0.5  # of the time at its limit, from which a joint is called too weak
UPRIGHT = 0.9  # cosine of the root's tilt
SETTLE_GAIN = 0.5  # at 1 a humanoid topples: leaning adds to the sag that is corrected
_NUMERICAL_WARNINGS = (
    mujoco.mjtWarning.mjWARN_BADQPOS,
    mujoco.mjtWarning.mjWARN_BADQVEL,
    mujoco.mjtWarning.mjWARN_BADQACC,
)


def settle(model: mujoco.MjModel, spec: RobotSpec) -> tuple[Doubles, Doubles]:
    """Find the pose in which the robot comes to rest, and the PD targets that compensate its weight there.

    Repeatedly simulates the standing robot and moves each target against the sag of its joint. Returns the round in
    which the joints came closest to the standing pose, if the robot keeps standing there.

    Returns:
        settled qpos (nq,) at x = y = 0, and targets (nu,) in rad.

    Raises:
        DataError: it falls, or the simulation is unstable.
    """
    data = mujoco.MjData(model)
    set_standing_pose(data, spec)
    addresses = DrivenJoints.of(model, spec).qpos
    home = data.qpos[addresses].copy()
    targets, least, settled = home, np.inf, None
    for _ in range(SETTLE_ROUNDS):
        data.ctrl[:] = targets
        mujoco.mj_step(model, data, round(SETTLE_SECONDS / model.opt.timestep))
        if not _stands(data, spec):
            break
        sag = home - data.qpos[addresses]
        if np.abs(sag).max() < least:
            least, settled = np.abs(sag).max(), (data.qpos.copy(), targets)
        targets = targets + SETTLE_GAIN * sag
    if settled is None:
        raise _why_it_falls(model, spec)
    settled[0][:2] = 0.0
    mujoco.mj_resetData(model, data)
    data.qpos[:], data.ctrl[:] = settled
    mujoco.mj_step(model, data, round(SETTLE_SECONDS / model.opt.timestep))
    if not _stands(data, spec):
        raise _why_it_falls(model, spec)
    return settled


def set_standing_pose(data: mujoco.MjData, spec: RobotSpec) -> None:
    """Set joints and root height of the spec's standing pose."""
    for name, angle in spec.standing_pose.items():
        data.joint(name).qpos[0] = angle
    data.qpos[2] = spec.standing_height


def _stands(data: mujoco.MjData, spec: RobotSpec) -> bool:
    root = data.body(spec.root)
    upright = root.xpos[2] > spec.fall.min_height and root.xmat[8] > UPRIGHT
    return bool(upright and not _is_unstable(data))


def _is_unstable(data: mujoco.MjData) -> bool:
    return any(data.warning[kind].number for kind in _NUMERICAL_WARNINGS)


def _why_it_falls(model: mujoco.MjModel, spec: RobotSpec) -> DataError:
    """What keeps a robot from standing, as far as its first moments show."""
    height, unstable, saturated = _first_moments(model, spec)
    if unstable:
        step = model.opt.timestep
        smaller = (step / divisor for divisor in SMALLER_STEPS if not _is_unstable_with(model, spec, step / divisor))
        hint = "check the masses, inertias and PD gains of its spec"
        return DataError(
            f"the simulation of {spec.name} is unstable with physics steps of {step:g} s",
            next((f"--set environment.timestep={found:g}" for found in smaller), hint),
        )
    weak = [
        f"{a.joint} ({a.torque_limit:g} N m)"
        for a, share in zip(spec.actuators, saturated, strict=True)
        if share > MOSTLY
    ]
    sank = height <= spec.fall.min_height
    how = f"its root sank to {height:.2f} m" if sank else "it falls over within seconds"
    reason = f"; at their torque limits: {', '.join(weak)}" if weak else ""
    remedy = "raise these limits, or check" if weak else "check"
    return DataError(
        f"{spec.name} does not hold its standing pose: {how}{reason}",
        f"{remedy} standing_pose, standing_height, torque limits and the PD gains of its spec; of a robot from a file "
        "by --set robot.torque_limit=..., robot.kp=..., 'robot.standing_pose={joint = rad}'",
    )


def _first_moments(model: mujoco.MjModel, spec: RobotSpec) -> tuple[float, bool, Doubles]:
    """How the stand goes, uncorrected.

    Returns:
        height of the root in the end, m; whether the simulation is unstable; (nu,) the share of the steps in which each
        actuator is at its torque limit.
    """
    data = mujoco.MjData(model)
    set_standing_pose(data, spec)
    data.ctrl[:] = [spec.standing_pose.get(a.joint, 0.0) for a in spec.actuators]
    limits = np.array([a.torque_limit for a in spec.actuators])
    saturated = []
    for _ in range(round(SETTLE_SECONDS / model.opt.timestep)):
        mujoco.mj_step(model, data)
        saturated.append(np.abs(data.actuator_force) > 0.99 * limits)
    return float(data.body(spec.root).xpos[2]), _is_unstable(data), np.mean(saturated, axis=0)


def _is_unstable_with(model: mujoco.MjModel, spec: RobotSpec, timestep: float) -> bool:
    before, model.opt.timestep = model.opt.timestep, timestep
    try:
        return _first_moments(model, spec)[1]
    finally:
        model.opt.timestep = before
