"""Joint angles that put every foot, or hand, where it should be: damped least squares on the robot's own model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np

from nil_core.api import Doubles
from nil_generator_gait.legs import Limb

PRECISION = 1e-5  # m; below a thousandth of a pixel
ITERATIONS = 30
DAMPING = 1e-3  # m/rad; keeps a stretched leg from jumping, too small to slow the others
SOLE = 0.02  # m/rad; small, so that at an ankle's limit the sole tilts rather than the foot misses its place
LARGEST_STEP = 0.3  # rad per iteration


class LimbSolver:
    """Solves several limbs of one robot at once, from the pose it is given.

    Args:
        model: the robot's model.
        data: in the standing pose, kinematics computed; used as working memory afterwards.
        limbs: of the robot.
        flat: whether a foot whose leg has joints to spare after placing its contact point (an ankle) also keeps its
            orientation of the standing pose, so that the sole stays flat.
        limits: rad, lowest and highest angle of joints by id, where the model's own range is too wide.
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
        self.soles = [
            data.xquat[limb.body].copy() if flat and self._has_joints_to_spare(limb) else None for limb in limbs
        ]

    def solve(self, qpos: Doubles, targets: Doubles, yaws: Doubles | None = None) -> tuple[Doubles, float]:
        """Move the limbs' joints until their points are at their targets.

        Args:
            qpos: (nq,) where to start; everything but the limbs' joints is kept.
            targets: (F, 3) m, experiment.
            yaws: (F,) rad, how far the soles are turned to the left from the standing pose; None: not at all.

        Returns:
            (nq,) within the joint limits, and the largest remaining distance in m.
        """
        qpos = qpos.copy()
        soles = self.soles if yaws is None else [_turned(*each) for each in zip(self.soles, yaws, strict=True)]
        for _ in range(ITERATIONS):
            errors, jacobian, distance = self._linearize(qpos, targets, soles)
            if np.abs(errors).max() < PRECISION:
                break
            step = _damped_step(jacobian, errors)
            angles = qpos[self.qpos_index]
            at_limit = ((angles <= self.low) & (step < 0)) | ((angles >= self.high) & (step > 0))
            if at_limit.any():  # let the other joints make up for those that cannot go on
                step = _damped_step(jacobian * ~at_limit, errors)
            step *= LARGEST_STEP / max(LARGEST_STEP, np.abs(step).max())
            qpos[self.qpos_index] = np.clip(angles + step, self.low, self.high)
        else:
            distance = self._linearize(qpos, targets, soles)[2]
        return qpos, distance

    def place(self, qpos: Doubles, limb: int) -> Doubles:
        """Where a limb's point is in a pose, (3,) m, experiment."""
        self.data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        return self._point(self.limbs[limb])[0]

    def _linearize(
        self, qpos: Doubles, targets: Doubles, soles: Sequence[Doubles | None]
    ) -> tuple[Doubles, Doubles, float]:
        """Stacked errors (E,), their Jacobian (E, joints), and the largest distance of a point from its target."""
        self.data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        errors, rows, distance = [], [], 0.0
        for limb, sole, target in zip(self.limbs, soles, targets, strict=True):
            point, moving, turning = self._point(limb)
            errors.append(target - point)
            rows.append(moving)
            distance = max(distance, float(np.linalg.norm(target - point)))
            if sole is not None:
                errors.append(SOLE * _rotation_between(self.data.xquat[limb.body], sole))
                rows.append(SOLE * turning)
        return np.concatenate(errors), np.concatenate(rows), distance

    def _point(self, limb: Limb) -> tuple[Doubles, Doubles, Doubles]:
        """The limb's point in the world (3,) and its Jacobians of place and orientation (3, joints)."""
        point = self.data.xpos[limb.body] + self.data.xmat[limb.body].reshape(3, 3) @ limb.point
        moving, turning = np.zeros((3, self.model.nv)), np.zeros((3, self.model.nv))
        mujoco.mj_jac(self.model, self.data, moving, turning, point, limb.body)
        return point, moving[:, self.dof_index], turning[:, self.dof_index]

    def _has_joints_to_spare(self, limb: Limb) -> bool:
        _, moving, _ = self._point(limb)
        return len(limb.joints) > int(np.linalg.matrix_rank(moving, tol=1e-3))


def _damped_step(jacobian: Doubles, errors: Doubles) -> Doubles:
    square = jacobian @ jacobian.T + DAMPING**2 * np.eye(len(errors))
    step: Doubles = jacobian.T @ np.linalg.solve(square, errors)
    return step


def _turned(quaternion: Doubles | None, yaw: float) -> Doubles | None:
    """An orientation turned about the vertical."""
    return None if quaternion is None else turn_left(quaternion, yaw)


def turn_left(quaternion: Doubles, yaw: float) -> Doubles:
    """A unit quaternion (4,) turned by rad about the world's vertical."""
    result = np.zeros(4)
    mujoco.mju_mulQuat(result, np.array([np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]), quaternion)
    return result


def _rotation_between(current: Doubles, wanted: Doubles) -> Doubles:
    """World rotation vector (3,) rad from one unit quaternion to another."""
    inverse, turn, vector = np.zeros(4), np.zeros(4), np.zeros(3)
    mujoco.mju_negQuat(inverse, current)
    mujoco.mju_mulQuat(turn, wanted, inverse)
    mujoco.mju_quat2Vel(vector, turn, 1.0)
    return vector
