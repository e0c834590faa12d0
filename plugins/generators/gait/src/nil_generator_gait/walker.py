"""A robot's body in a gait: where every joint is while root, feet and hands follow their paths."""

from __future__ import annotations

import math

import mujoco
import numpy as np

from nil_core.api import Doubles, Scene
from nil_generator_gait.footsteps import Pace, body_path, foot_path, ramp_up, root_distance, turned, turning_foot_path
from nil_generator_gait.humanoid import can_sway, carriage, find_arms, knee_limits
from nil_generator_gait.inverse_kinematics import LimbSolver, turn_left
from nil_generator_gait.legs import find_legs

GOOD_REACH = 5e-4  # m; feet this close to their targets need no deeper crouch
CROUCHES = np.linspace(0, 0.25, 11)  # of the hip height


class Walker:
    """The robot of a scene, its limbs found.

    Attributes:
        legs: in the order of the robot's feet.
        arms: of a robot on two legs.
        hip_height: m above the soles, in the standing pose.
        two_legs: whether it walks on two.
        standing: (nq,), the standing pose.
        root: where the free joint begins in qpos.
        feet, hands: solve for the joints of legs and arms.

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
        self.two_legs = len(self.legs) == 2
        self.arms = find_arms(scene, data, self.legs, self.hip_height) if self.two_legs else []
        self._sways = self.two_legs and can_sway(data, self.legs)
        knees = knee_limits(model, data, self.legs) if self.two_legs else {}
        self.feet = LimbSolver(model, data, self.legs, flat=True, limits=knees)
        self.hands = LimbSolver(model, data, self.arms, flat=False, limits={})
        self.standing = scene.standing_qpos
        self.root = int(model.joint(model.body(scene.spec.root).jntadr[0]).qposadr[0])

    def walk(self, pace: Pace, times: Doubles) -> tuple[Doubles, float, float]:
        """Joint-space motion (T, nq), the largest error of a foot in m, and the crouch in m that it took."""
        least = math.inf
        for depth in CROUCHES * self.hip_height:
            attempt, error = self._step(pace, times, depth, least)
            if error < least:
                trajectory, least, crouch = attempt, error, float(depth)
            if least < GOOD_REACH:
                break
        self.swing_arms(trajectory, body_path(times, pace)[:, 2])
        return trajectory, least, crouch

    def _step(self, pace: Pace, times: Doubles, crouch: float, enough: float) -> tuple[Doubles, float]:
        """Motion of root and legs (T, nq), and the largest error of a foot in m; given up where that is ``enough``."""
        root = self.root
        trajectory = np.tile(self.standing, (len(times), 1))
        targets = np.repeat([[leg.home for leg in self.legs]], len(times), axis=0)
        yaws = np.zeros((len(times), len(self.legs)))
        path = body_path(times, pace)
        sideways, up = np.zeros(len(times)), np.zeros(len(times))
        if self.two_legs:
            sideways, up = carriage(times, pace, self.legs, self.hip_height)
            sideways *= self._sways
        if pace.turn_rate:
            pivot = self.standing[root : root + 2]
            for index, leg in enumerate(self.legs):
                place, lift, yaws[:, index] = turning_foot_path(times, leg.phase, pace, leg.home[:2] - pivot)
                targets[:, index, :2] = pivot + place
                targets[:, index, 2] += lift
            aside = turned(np.column_stack([np.zeros(len(times)), sideways]), path[:, 2])
            trajectory[:, root : root + 2] += path[:, :2] + aside
            for pose, yaw in zip(trajectory, path[:, 2], strict=True):
                pose[root + 3 : root + 7] = turn_left(pose[root + 3 : root + 7], yaw)
        else:
            for index, leg in enumerate(self.legs):
                forward, lift = foot_path(times, leg.phase, pace)
                targets[:, index, 0] += forward
                targets[:, index, 2] += lift
            trajectory[:, root] += root_distance(times, pace)
            trajectory[:, root + 1] += sideways
        trajectory[:, root + 2] -= crouch * ramp_up(times, pace.ramp)
        trajectory[:, root + 2] += up
        return trajectory, self.place_feet(trajectory, targets, yaws if pace.turn_rate else None, enough)

    def place_feet(
        self, trajectory: Doubles, targets: Doubles, yaws: Doubles | None = None, enough: float = math.inf
    ) -> float:
        """Put the feet where they belong, in place.

        Args:
            trajectory: (T, nq), whose root stays; legs are overwritten.
            targets: (T, legs, 3) m, experiment.
            yaws: (T, legs) rad, how far the soles are turned to the left.
            enough: m; an error this large ends the work.

        Returns:
            the largest distance of a foot from its target in m.
        """
        worst = 0.0
        moving = slice(self.root, self.root + 7)
        qpos = self.standing
        for tick in range(len(trajectory)):
            start = qpos.copy()
            start[moving] = trajectory[tick, moving]
            qpos, error = self.feet.solve(start, targets[tick], None if yaws is None else yaws[tick])
            trajectory[tick] = qpos
            worst = max(worst, error)
            if worst >= enough:
                break
        return worst

    def swing_arms(self, trajectory: Doubles, yaws: Doubles) -> None:
        """Move each arm with the leg on the other side, in place.

        Args:
            trajectory: (T, nq).
            yaws: (T,) rad, how far the body is turned to the left.
        """
        if not self.arms:
            return
        columns = self.hands.qpos_index
        arms = self.standing[columns]
        pivot = self.standing[self.root : self.root + 3]
        for pose, yaw in zip(trajectory, yaws, strict=True):
            moved = pose[self.root : self.root + 3] - pivot
            feet = [_carried(self.feet.place(pose, arm.opposite) - moved, pivot, -yaw) for arm in self.arms]
            ahead = [foot - self.legs[arm.opposite].home for foot, arm in zip(feet, self.arms, strict=True)]
            angles = [math.asin(np.clip(each[0] / self.hip_height, -1, 1)) for each in ahead]
            pose[columns] = arms
            hands = [arm.hand(angle, moved) for arm, angle in zip(self.arms, angles, strict=True)]
            targets = np.array([_carried(hand, pivot + moved, yaw) for hand in hands])
            pose[:], _ = self.hands.solve(pose, targets)
            arms = pose[columns]


def _carried(point: Doubles, pivot: Doubles, yaw: float) -> Doubles:
    """A point (3,) turned to the left about the vertical through a pivot (3,)."""
    return np.r_[pivot[:2] + turned(point[:2] - pivot[:2], yaw), point[2]] if yaw else point
