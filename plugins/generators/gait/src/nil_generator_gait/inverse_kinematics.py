"""Inverse kinematics of feet and hands by damped least squares on the robot's model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np

from nil_core.api import Doubles
from nil_generator_gait.legs import Limb

TOLERANCE = 1e-5  # m; below a thousandth of a pixel
MAX_ITERATIONS = 30
DAMPING = 1e-3  # m/rad; prevents jumps of a stretched leg, too small to slow down convergence otherwise
ORIENTATION_WEIGHT = 0.02  # m/rad; small: at the limit of an ankle the sole tilts instead of missing its position
MAX_ANGLE_STEP = 0.3  # rad per iteration


class LimbSolver:
    """Solves several limbs of one robot together, starting from a given pose.

    Args:
        model: the robot's model.
        data: data in the standing pose, with kinematics computed; overwritten later.
        limbs: of the robot.
        flat: whether a foot keeps its orientation of the standing pose (flat sole), if its leg has more joints than
            needed for the position of its contact point (an ankle).
        limits: joint id to lower and upper limit in rad, tighter than the model's range.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        limbs: Sequence[Limb],
        flat: bool,
        limits: Mapping[int, tuple[float, float]],
    ) -> None:
        self.model, self.data, self.limbs = model, data, limbs
        joints = sorted({joint for limb in limbs for joint in limb.joints})
        self.qpos_index = model.jnt_qposadr[joints]
        self.dof_index = model.jnt_dofadr[joints]
        limited = model.jnt_limited[joints].astype(bool)
        self.low = np.where(limited, model.jnt_range[joints, 0], -np.inf)
        self.high = np.where(limited, model.jnt_range[joints, 1], np.inf)
        for joint, (low, high) in limits.items():
            self.low[joints.index(joint)], self.high[joints.index(joint)] = low, high
        self.soles = [data.xquat[limb.body].copy() if flat and self._is_redundant(limb) else None for limb in limbs]

    def solve(self, qpos: Doubles, targets: Doubles, yaws: Doubles | None = None) -> tuple[Doubles, float]:
        """Solve for the limbs' joints so that their points reach their targets.

        Args:
            qpos: (nq,) initial pose; everything except the limbs' joints is kept.
            targets: (F, 3) m, world coordinates.
            yaws: (F,) rad, yaw of the soles relative to the standing pose, positive to the left; None: 0.

        Returns:
            (nq,) within the joint limits, and the maximum remaining distance in m.
        """
        qpos = qpos.copy()
        soles = self.soles if yaws is None else [_sole_target(*each) for each in zip(self.soles, yaws, strict=True)]
        for _ in range(MAX_ITERATIONS):
            errors, jacobian, distance = self._linearize(qpos, targets, soles)
            if np.abs(errors).max() < TOLERANCE:
                break
            step = _damped_step(jacobian, errors)
            angles = qpos[self.qpos_index]
            at_limit = ((angles <= self.low) & (step < 0)) | ((angles >= self.high) & (step > 0))
            if at_limit.any():  # solve again with the other joints only
                step = _damped_step(jacobian * ~at_limit, errors)
            step *= MAX_ANGLE_STEP / max(MAX_ANGLE_STEP, np.abs(step).max())
            qpos[self.qpos_index] = np.clip(angles + step, self.low, self.high)
        else:
            distance = self._linearize(qpos, targets, soles)[2]
        return qpos, distance

    def position(self, qpos: Doubles, limb: int) -> Doubles:
        """Position of a limb's point in a pose, (3,) m, world coordinates."""
        self.data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        return self._point(self.limbs[limb])[0]

    def _linearize(
        self, qpos: Doubles, targets: Doubles, soles: Sequence[Doubles | None]
    ) -> tuple[Doubles, Doubles, float]:
        """Stacked errors (E,), their Jacobian (E, joints), and the maximum distance of a point from its target."""
        self.data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        errors, rows, distance = [], [], 0.0
        for limb, sole, target in zip(self.limbs, soles, targets, strict=True):
            point, position_jacobian, rotation_jacobian = self._point(limb)
            errors.append(target - point)
            rows.append(position_jacobian)
            distance = max(distance, float(np.linalg.norm(target - point)))
            if sole is not None:
                errors.append(ORIENTATION_WEIGHT * _rotation_between(self.data.xquat[limb.body], sole))
                rows.append(ORIENTATION_WEIGHT * rotation_jacobian)
        return np.concatenate(errors), np.concatenate(rows), distance

    def _point(self, limb: Limb) -> tuple[Doubles, Doubles, Doubles]:
        """World position (3,) of the limb's point, and its position and rotation Jacobians (3, joints)."""
        point = self.data.xpos[limb.body] + self.data.xmat[limb.body].reshape(3, 3) @ limb.point
        position_jacobian, rotation_jacobian = np.zeros((3, self.model.nv)), np.zeros((3, self.model.nv))
        mujoco.mj_jac(self.model, self.data, position_jacobian, rotation_jacobian, point, limb.body)
        return point, position_jacobian[:, self.dof_index], rotation_jacobian[:, self.dof_index]

    def _is_redundant(self, limb: Limb) -> bool:
        """Whether the limb has more joints than needed for the position of its point."""
        _, position_jacobian, _ = self._point(limb)
        return len(limb.joints) > int(np.linalg.matrix_rank(position_jacobian, tol=1e-3))


def _damped_step(jacobian: Doubles, errors: Doubles) -> Doubles:
    square = jacobian @ jacobian.T + DAMPING**2 * np.eye(len(errors))
    step: Doubles = jacobian.T @ np.linalg.solve(square, errors)
    return step


def _sole_target(quaternion: Doubles | None, yaw: float) -> Doubles | None:
    """Target orientation of a sole: rotated about the vertical; None if it has none."""
    return None if quaternion is None else yawed(quaternion, yaw)


def yawed(quaternion: Doubles, yaw: float) -> Doubles:
    """A unit quaternion (4,) rotated about the world's vertical axis by ``yaw`` rad, positive to the left."""
    result = np.zeros(4)
    mujoco.mju_mulQuat(result, np.array([np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]), quaternion)
    return result


def _rotation_between(current: Doubles, target: Doubles) -> Doubles:
    """Rotation vector (3,) rad in world coordinates from one unit quaternion to another."""
    inverse, rotation, vector = np.zeros(4), np.zeros(4), np.zeros(3)
    mujoco.mju_negQuat(inverse, current)
    mujoco.mju_mulQuat(rotation, target, inverse)
    mujoco.mju_quat2Vel(vector, rotation, 1.0)
    return vector
