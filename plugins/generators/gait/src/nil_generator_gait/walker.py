"""Joint-space motion of a robot whose root, feet and hands follow planned paths."""

from __future__ import annotations

import math

import mujoco
import numpy as np

from nil_core.api import Doubles, Scene
from nil_generator_gait.footsteps import Pace, body_path, foot_path, ramp_up, root_distance, rotated, turning_foot_path
from nil_generator_gait.humanoid import can_sway, find_arms, knee_limits, root_sway_and_bounce
from nil_generator_gait.inverse_kinematics import LimbSolver, yawed
from nil_generator_gait.legs import find_legs

FOOT_ERROR_TOLERANCE = 5e-4  # m; with smaller errors no deeper crouch is tried
CROUCH_FRACTIONS = np.linspace(0, 0.25, 11)  # of the hip height, tried in this order


class Walker:
    """The robot of a scene with its legs and arms, and its kinematics.

    Attributes:
        legs: in the order of the robot's feet.
        arms: of a biped; empty for other robots.
        hip_height: m above the soles, in the standing pose.
        is_biped: whether it has two legs.
        standing: (nq,), the standing pose.
        root: index of the free joint in qpos.
        feet, hands: inverse kinematics of legs and arms.

    Raises:
        DataError: the robot has no feet, or no joints to move them.
    """

    def __init__(self, scene: Scene) -> None:
        model, data = scene.model, mujoco.MjData(scene.model)
        data.qpos[:] = scene.standing_qpos
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        self.legs = find_legs(scene, data)
        self.hip_height = float(np.mean([data.xanchor[leg.joints[0], 2] - leg.home[2] for leg in self.legs]))
        self.is_biped = len(self.legs) == 2
        self.arms = find_arms(scene, data, self.legs, self.hip_height) if self.is_biped else []
        self._sways = self.is_biped and can_sway(data, self.legs)
        knees = knee_limits(model, data, self.legs) if self.is_biped else {}
        self.feet = LimbSolver(model, data, self.legs, flat=True, limits=knees)
        self.hands = LimbSolver(model, data, self.arms, flat=False, limits={})
        self.standing = scene.standing_qpos
        self.root = int(model.joint(model.body(scene.spec.root).jntadr[0]).qposadr[0])

    def walk(self, pace: Pace, times: Doubles) -> tuple[Doubles, float, float]:
        """Joint-space motion (T, nq), the maximum foot error in m, and the required crouch in m."""
        min_error = math.inf
        for depth in CROUCH_FRACTIONS * self.hip_height:
            attempt, error = self._walk_at_depth(pace, times, depth, min_error)
            if error < min_error:
                trajectory, min_error, crouch = attempt, error, float(depth)
            if min_error < FOOT_ERROR_TOLERANCE:
                break
        self.swing_arms(trajectory, body_path(times, pace)[:, 2])
        return trajectory, min_error, crouch

    def _walk_at_depth(self, pace: Pace, times: Doubles, crouch: float, error_limit: float) -> tuple[Doubles, float]:
        """Motion of root and legs (T, nq), and the maximum foot error in m; stops early at ``error_limit``."""
        root = self.root
        trajectory = np.tile(self.standing, (len(times), 1))
        targets = np.repeat([[leg.home for leg in self.legs]], len(times), axis=0)
        yaws = np.zeros((len(times), len(self.legs)))
        path = body_path(times, pace)
        sideways, up = np.zeros(len(times)), np.zeros(len(times))
        if self.is_biped:
            sideways, up = root_sway_and_bounce(times, pace, self.legs, self.hip_height)
            sideways *= self._sways
        if pace.turn_rate:
            pivot = self.standing[root : root + 2]
            for index, leg in enumerate(self.legs):
                position, lift, yaws[:, index] = turning_foot_path(times, leg.phase, pace, leg.home[:2] - pivot)
                targets[:, index, :2] = pivot + position
                targets[:, index, 2] += lift
            sway = rotated(np.column_stack([np.zeros(len(times)), sideways]), path[:, 2])
            trajectory[:, root : root + 2] += path[:, :2] + sway
            for pose, yaw in zip(trajectory, path[:, 2], strict=True):
                pose[root + 3 : root + 7] = yawed(pose[root + 3 : root + 7], yaw)
        else:
            for index, leg in enumerate(self.legs):
                forward, lift = foot_path(times, leg.phase, pace)
                targets[:, index, 0] += forward
                targets[:, index, 2] += lift
            trajectory[:, root] += root_distance(times, pace)
            trajectory[:, root + 1] += sideways
        trajectory[:, root + 2] -= crouch * ramp_up(times, pace.ramp)
        trajectory[:, root + 2] += up
        return trajectory, self.place_feet(trajectory, targets, yaws if pace.turn_rate else None, error_limit)

    def place_feet(
        self, trajectory: Doubles, targets: Doubles, yaws: Doubles | None = None, error_limit: float = math.inf
    ) -> float:
        """Move the feet to their targets by inverse kinematics, in place.

        Args:
            trajectory: (T, nq); root poses are kept, legs are overwritten.
            targets: (T, legs, 3) m, world coordinates.
            yaws: (T, legs) rad, yaw of the soles relative to the standing pose, positive to the left.
            error_limit: m; stop early at this error.

        Returns:
            the maximum distance of a foot from its target in m.
        """
        max_error = 0.0
        root_pose = slice(self.root, self.root + 7)
        qpos = self.standing
        for tick in range(len(trajectory)):
            start = qpos.copy()
            start[root_pose] = trajectory[tick, root_pose]
            qpos, error = self.feet.solve(start, targets[tick], None if yaws is None else yaws[tick])
            trajectory[tick] = qpos
            max_error = max(max_error, error)
            if max_error >= error_limit:
                break
        return max_error

    def swing_arms(self, trajectory: Doubles, yaws: Doubles) -> None:
        """Swing each arm with the opposite leg, in place.

        Args:
            trajectory: (T, nq).
            yaws: (T,) rad, yaw of the body, positive to the left.
        """
        if not self.arms:
            return
        columns = self.hands.qpos_index
        arms = self.standing[columns]
        pivot = self.standing[self.root : self.root + 3]
        for pose, yaw in zip(trajectory, yaws, strict=True):
            moved = pose[self.root : self.root + 3] - pivot
            feet = [_yawed_about(self.feet.position(pose, arm.opposite) - moved, pivot, -yaw) for arm in self.arms]
            ahead = [foot - self.legs[arm.opposite].home for foot, arm in zip(feet, self.arms, strict=True)]
            angles = [math.asin(np.clip(each[0] / self.hip_height, -1, 1)) for each in ahead]
            pose[columns] = arms
            hands = [arm.hand(angle, moved) for arm, angle in zip(self.arms, angles, strict=True)]
            targets = np.array([_yawed_about(hand, pivot + moved, yaw) for hand in hands])
            pose[:], _ = self.hands.solve(pose, targets)
            arms = pose[columns]


def _yawed_about(point: Doubles, pivot: Doubles, yaw: float) -> Doubles:
    """Rotate a point (3,) about the vertical axis through a pivot (3,), positive to the left."""
    return np.r_[pivot[:2] + rotated(point[:2] - pivot[:2], yaw), point[2]] if yaw else point
