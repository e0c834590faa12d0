"""A robot's body in a gait: where every joint is while root, feet and hands follow their paths."""

from __future__ import annotations

import math

import mujoco
import numpy as np

from nil_core.api import Doubles, Scene
from nil_generator_gait.footsteps import Pace, foot_path, ramp_up, root_distance
from nil_generator_gait.humanoid import can_sway, carriage, find_arms, knee_limits
from nil_generator_gait.inverse_kinematics import LimbSolver
from nil_generator_gait.legs import find_legs

GOOD_REACH = 5e-4  # m; feet this close to their targets need no deeper crouch
CROUCHES = np.linspace(0, 0.25, 11)  # of the hip height


class Walker:
    """The robot of a scene, its limbs found.

    Attributes:
        legs: in the order of the robot's feet.
        arms: of a robot on two legs.
        hip_height: m above the soles, in the standing pose.

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
        self._two_legs = len(self.legs) == 2
        self.arms = find_arms(scene, data, self.legs, self.hip_height) if self._two_legs else []
        self._sways = self._two_legs and can_sway(data, self.legs)
        knees = knee_limits(model, data, self.legs) if self._two_legs else {}
        self._feet = LimbSolver(model, data, self.legs, flat=True, limits=knees)
        self._hands = LimbSolver(model, data, self.arms, flat=False, limits={})
        self._standing = scene.standing_qpos
        self._root = int(model.joint(model.body(scene.spec.root).jntadr[0]).qposadr[0])

    def walk(self, pace: Pace, times: Doubles) -> tuple[Doubles, float, float]:
        """Joint-space motion (T, nq), the largest error of a foot in m, and the crouch in m that it took."""
        least = math.inf
        for depth in CROUCHES * self.hip_height:
            attempt, error = self._step(pace, times, depth, least)
            if error < least:
                trajectory, least, crouch = attempt, error, float(depth)
            if least < GOOD_REACH:
                break
        self._swing_arms(trajectory)
        return trajectory, least, crouch

    def _step(self, pace: Pace, times: Doubles, crouch: float, enough: float) -> tuple[Doubles, float]:
        """Motion of root and legs (T, nq), and the largest error of a foot in m; given up where that is ``enough``."""
        targets = np.repeat([[leg.home for leg in self.legs]], len(times), axis=0)
        for index, leg in enumerate(self.legs):
            forward, up = foot_path(times, leg.phase, pace)
            targets[:, index, 0] += forward
            targets[:, index, 2] += up

        root = self._root
        trajectory = np.tile(self._standing, (len(times), 1))
        trajectory[:, root] += root_distance(times, pace)
        trajectory[:, root + 2] -= crouch * ramp_up(times, pace.ramp)
        if self._two_legs:
            sideways, up = carriage(times, pace, self.legs, self.hip_height)
            trajectory[:, root + 1] += sideways * self._sways
            trajectory[:, root + 2] += up
        worst = 0.0
        moving = slice(root, root + 3)
        qpos = self._standing
        for tick in range(len(times)):
            start = qpos.copy()
            start[moving] = trajectory[tick, moving]
            qpos, error = self._feet.solve(start, targets[tick])
            trajectory[tick] = qpos
            worst = max(worst, error)
            if worst >= enough:
                break
        return trajectory, worst

    def _swing_arms(self, trajectory: Doubles) -> None:
        """Move each arm with the leg on the other side, in place."""
        if not self.arms:
            return
        columns = self._hands.qpos_index
        arms = self._standing[columns]
        for pose in trajectory:
            moved = pose[self._root : self._root + 3] - self._standing[self._root : self._root + 3]
            ahead = [self._feet.place(pose, arm.opposite) - moved - self.legs[arm.opposite].home for arm in self.arms]
            angles = [math.asin(np.clip(each[0] / self.hip_height, -1, 1)) for each in ahead]
            pose[columns] = arms
            targets = np.array([arm.hand(angle, moved) for arm, angle in zip(self.arms, angles, strict=True)])
            pose[:], _ = self._hands.solve(pose, targets)
            arms = pose[columns]
