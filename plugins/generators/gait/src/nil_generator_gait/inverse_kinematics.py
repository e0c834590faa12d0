"""Inverse kinematics of feet and hands: MuJoCo's bounded least squares on the robot's model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import mujoco
import numpy as np
from mujoco import minimize

from nil_core.api import Doubles
from nil_generator_gait.legs import Limb

DAMPING = 3e-4  # m/rad; joints that no target needs keep their angles, and others are hardly affected
ORIENTATION_WEIGHT = 0.02  # m/rad; small: at the limit of an ankle the sole tilts instead of missing its position
MISS_TOLERANCE = 5e-4  # m; a limb that misses its target by more is tried from another pose
ANGLE_TOLERANCE = 1e-6  # rad, relative to the norm of all angles
UNLIMITED = 100.0  # rad; the bounds of the solver are finite


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
        self.low = np.where(limited, model.jnt_range[joints, 0], -UNLIMITED)
        self.high = np.where(limited, model.jnt_range[joints, 1], UNLIMITED)
        for joint, (low, high) in limits.items():
            self.low[joints.index(joint)], self.high[joints.index(joint)] = low, high
        self.high = np.maximum(self.high, self.low + ANGLE_TOLERANCE)  # the solver refuses bounds that are equal
        self.columns = [np.searchsorted(joints, limb.joints) for limb in limbs]
        self.soles = [data.xquat[limb.body].copy() if flat and self._is_redundant(limb) else None for limb in limbs]

    def solve(self, qpos: Doubles, targets: Doubles, yaws: Doubles | None = None) -> tuple[Doubles, float]:
        """Solve for the limbs' joints so that their points reach their targets.

        A limb that misses its target, because a joint stops at its limit, is tried again with that joint, then with all
        of its joints, in the middle of their ranges: a straight knee at its limit does not bend by descent alone.

        Args:
            qpos: (nq,) initial pose; everything except the limbs' joints is kept.
            targets: (F, 3) m, world coordinates.
            yaws: (F,) rad, yaw of the soles relative to the standing pose, positive to the left; None: 0.

        Returns:
            (nq,) within the joint limits, and the maximum remaining distance in m.
        """
        soles = self.soles if yaws is None else [_sole_target(*each) for each in zip(self.soles, yaws, strict=True)]
        problem = _Problem(self, qpos.copy(), targets, soles)
        angles = problem.solve(problem.start)
        distances = problem.distances(angles)
        for only_at_limit in (True, False):
            missed = np.flatnonzero(distances > MISS_TOLERANCE)
            if not len(missed):
                break
            retried = problem.solve(self._bent(angles, missed, only_at_limit))
            remaining = problem.distances(retried)
            if remaining.max() < distances.max():
                angles, distances = retried, remaining
        problem.qpos[self.qpos_index] = angles
        return problem.qpos, float(distances.max())

    def position(self, qpos: Doubles, limb: int) -> Doubles:
        """Position of a limb's point in a pose, (3,) m, world coordinates."""
        self.data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        return self._point(self.limbs[limb])[0]

    def linearize(
        self, qpos: Doubles, targets: Doubles, soles: Sequence[Doubles | None]
    ) -> tuple[Doubles, Doubles, Doubles]:
        """Stacked errors (E,), their Jacobian (E, joints), and the distances (F,) of the points from their targets."""
        self.data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        errors, rows, distances = [], [], []
        for limb, sole, target in zip(self.limbs, soles, targets, strict=True):
            point, position_jacobian, rotation_jacobian = self._point(limb)
            errors.append(point - target)
            rows.append(position_jacobian)
            distances.append(np.linalg.norm(point - target))
            if sole is not None:
                errors.append(ORIENTATION_WEIGHT * _rotation_between(sole, self.data.xquat[limb.body]))
                rows.append(ORIENTATION_WEIGHT * rotation_jacobian)
        return np.concatenate(errors), np.concatenate(rows), np.array(distances)

    def _bent(self, angles: Doubles, missed: Iterable[int], only_at_limit: bool) -> Doubles:
        """The angles, with joints of the limbs that missed in the middle of their ranges."""
        limbs = np.concatenate([self.columns[limb] for limb in missed])
        bent = (self.high < UNLIMITED) & np.isin(np.arange(len(angles)), limbs)
        if only_at_limit:
            bent &= np.isclose(angles, self.low) | np.isclose(angles, self.high)
        return np.where(bent, (self.low + self.high) / 2, angles)

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


class _Problem:
    """Least squares of one pose: errors of points and soles, and a little of the change of the angles."""

    def __init__(self, limbs: LimbSolver, qpos: Doubles, targets: Doubles, soles: Sequence[Doubles | None]) -> None:
        self._limbs, self.qpos, self._targets, self._soles = limbs, qpos, targets, soles
        self.start = np.clip(qpos[limbs.qpos_index], limbs.low, limbs.high)
        self._linearized: tuple[bytes, tuple[Doubles, Doubles, Doubles]] | None = None

    def solve(self, start: Doubles) -> Doubles:
        """Angles (joints,) rad of a minimum, found from ``start``."""
        found: Doubles
        found, _ = minimize.least_squares(
            start,
            self._residual,
            [self._limbs.low, self._limbs.high],
            jacobian=self._jacobian,
            xtol=ANGLE_TOLERANCE,
            verbose=minimize.Verbosity.SILENT,
        )
        return found

    def distances(self, angles: Doubles) -> Doubles:
        """(F,) m, of the limbs' points from their targets."""
        return self._linearize(angles)[2]

    def _residual(self, angles: Doubles) -> Doubles:
        """(E + joints, N) for N columns of angles."""
        return np.column_stack([np.r_[self._linearize(each)[0], DAMPING * (each - self.start)] for each in angles.T])

    def _jacobian(self, angles: Doubles, residual: Doubles) -> Doubles:
        return np.concatenate([self._linearize(angles[:, 0])[1], DAMPING * np.eye(len(angles))])

    def _linearize(self, angles: Doubles) -> tuple[Doubles, Doubles, Doubles]:
        """See :meth:`LimbSolver.linearize`; the newest is kept, since residual and Jacobian are asked for in turn."""
        key = angles.tobytes()
        if self._linearized is None or self._linearized[0] != key:
            self.qpos[self._limbs.qpos_index] = angles
            self._linearized = key, self._limbs.linearize(self.qpos, self._targets, self._soles)
        return self._linearized[1]


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
