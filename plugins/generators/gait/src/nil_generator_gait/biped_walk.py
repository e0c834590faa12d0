"""A walk on two legs that a body can follow: the center of mass moves so that the standing soles can carry it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco
import numpy as np

from nil_core.api import Doubles, Scene
from nil_generator_gait.biped_footsteps import Step, foot_motion, heading, plan_steps, pressure_path
from nil_generator_gait.footsteps import Pace, ramp_up, turned
from nil_generator_gait.inverse_kinematics import turn_left
from nil_generator_gait.soles import Sole, find_sole
from nil_generator_gait.walker import CROUCHES, GOOD_REACH, Walker
from nil_generator_gait.zero_moment_point import STEP, PreviewController, zero_moment_point

RATE = 50.0  # Hz, at which poses are planned
SPARSE = 3  # every so manieth pose tells how deep to crouch
CORRECTIONS = 1  # rounds in which the motion of all bodies corrects that of the cart-table
SMOOTHED = 0.16  # s, of what a round corrects
CORRECT = 0.7
INSET = 0.3  # of a sole's half width: how far the pressure stays on the inner side of its middle
MARGIN = 0.6  # of a sole's half length and width: what the pressure keeps within


@dataclass(frozen=True)
class PlannedWalk:
    """A walk and what is known of it.

    Attributes:
        trajectory: (T, nq).
        error: m, the largest distance of a foot from its place.
        crouch: m that the root is lower than in the stand.
        pressure: (T, 2) m, the zero moment point that was planned.
        steps: that the feet take.
    """

    trajectory: Doubles
    error: float
    crouch: float
    pressure: Doubles
    steps: tuple[Step, ...]


class BipedWalk:
    """Plans walks of a robot on two legs.

    Args:
        scene: robot, model and standing pose.
        walker: the same robot, its limbs found.

    Attributes:
        soles: of the standing robot, in the order of its legs.
    """

    def __init__(self, scene: Scene, walker: Walker) -> None:
        self._model, self._walker = scene.model, walker
        data = mujoco.MjData(scene.model)
        data.qpos[:] = walker.standing
        mujoco.mj_kinematics(scene.model, data)
        mujoco.mj_comPos(scene.model, data)
        feet = [scene.model.geom(name).id for name in scene.spec.feet]
        self.soles: tuple[Sole, ...] = tuple(
            find_sole(scene.model, data, [geom for geom in feet if scene.model.geom_bodyid[geom] == leg.body])
            for leg in walker.legs
        )
        self._mass_center: Doubles = data.subtree_com[scene.model.body(scene.spec.root).id].copy()

    def plan(self, pace: Pace, shift: float, times: Doubles, crouch: float | None = None) -> PlannedWalk:
        """The walk at the times asked for.

        Args:
            pace: of the walk.
            shift: s before the first step, in which the weight moves onto one foot.
            times: (T,) s, from 0.
            crouch: m that the hips are lower than in the stand; None: as little as the steps need.
        """
        feet = np.array([sole.middle for sole in self.soles])
        first = min(range(2), key=lambda leg: self._walker.legs[leg].phase)
        end = times[-1] + 2 / RATE
        fine = np.arange(0, end + 2 * STEP, STEP)
        moments = np.arange(0, end, 1 / RATE)
        least = math.inf
        depths = CROUCHES * self._walker.hip_height if crouch is None else np.array([crouch])
        for depth in depths:
            controller = PreviewController(self._mass_center[2] - depth)
            known = STEP * np.arange(len(fine) + controller.ahead, dtype=np.float64)
            steps = plan_steps(feet, first, pace, shift, known[-1])
            wanted = pressure_path(known, steps, self._mass_center[:2], self._within())
            center = controller.follow(wanted)
            _, error = self._pose(moments[::SPARSE], steps, pace, fine, center, depth, shift, least)
            if error < least:
                least, kept = error, (controller, steps, wanted, center, float(depth))
            if least < GOOD_REACH:
                break
        controller, steps, wanted, center, crouch = kept
        trajectory, least = self._pose(moments, steps, pace, fine, center, crouch, shift, math.inf)
        half = round(SMOOTHED * RATE / 2)
        window = np.hanning(2 * half + 3)[1:-1]
        window /= window.sum()
        for _ in range(CORRECTIONS):
            actual = zero_moment_point(self._model, trajectory, 1 / RATE)
            error_path = np.zeros_like(wanted)
            for axis in (0, 1):
                difference = np.interp(moments, fine, wanted[: len(fine), axis]) - actual[:, axis]
                difference *= ramp_up(moments, SMOOTHED)
                smooth = np.convolve(np.pad(difference, half, mode="edge"), window, mode="valid")
                error_path[:, axis] = CORRECT * np.interp(known, moments, smooth)
            error_path[0] = 0
            center = center + controller.follow(error_path)
            trajectory, least = self._pose(moments, steps, pace, fine, center, crouch, shift, math.inf)
        return PlannedWalk(
            trajectory=self._at(times, moments, trajectory),
            error=least,
            crouch=crouch,
            pressure=np.column_stack([np.interp(times, known, wanted[:, axis]) for axis in (0, 1)]),
            steps=tuple(step for step in steps if step.lift_off < times[-1]),
        )

    def _within(self) -> Doubles:
        """(2, 2) m, where the pressure is under each foot, from the middle of its sole."""
        middle = np.mean([sole.middle for sole in self.soles], axis=0)
        within = np.empty((2, 2))
        for leg, sole in enumerate(self.soles):
            ahead = float(self._mass_center[0] - middle[0])
            reach = MARGIN * sole.half
            within[leg] = (
                np.clip(ahead, -reach[0], reach[0]),
                -np.sign(sole.middle[1] - middle[1]) * INSET * sole.half[1],
            )
        return within

    def _pose(
        self,
        moments: Doubles,
        steps: list[Step],
        pace: Pace,
        fine: Doubles,
        center: Doubles,
        crouch: float,
        shift: float,
        enough: float,
    ) -> tuple[Doubles, float]:
        """Root, legs and arms (T, nq) beneath and about the center of mass, and the largest error of a foot in m."""
        walker, root = self._walker, self._walker.root
        targets = np.empty((len(moments), 2, 3))
        yaws = np.empty((len(moments), 2))
        for index, leg in enumerate(walker.legs):
            place, up = foot_motion(moments, steps, index, pace.lift)
            yaws[:, index] = place[:, 2]
            targets[:, index, :2] = place[:, :2] + turned(leg.home[:2] - self.soles[index].middle, place[:, 2])
            targets[:, index, 2] = leg.home[2] + up
        heads = heading(moments, steps, 0.5 / pace.frequency)
        trajectory = np.tile(walker.standing, (len(moments), 1))
        offset = turned(walker.standing[root : root + 2] - self._mass_center[:2], heads)
        for axis in (0, 1):
            trajectory[:, root + axis] = np.interp(moments, fine, center[:, axis]) + offset[:, axis]
        trajectory[:, root + 2] -= crouch * ramp_up(moments, max(shift, 1 / RATE))
        if pace.turn_rate:
            for pose, yaw in zip(trajectory, heads, strict=True):
                pose[root + 3 : root + 7] = turn_left(pose[root + 3 : root + 7], yaw)
        error = walker.place_feet(trajectory, targets, yaws if pace.turn_rate else None, enough)
        if error < enough:
            walker.swing_arms(trajectory, heads)
        return trajectory, error

    def _at(self, times: Doubles, moments: Doubles, trajectory: Doubles) -> Doubles:
        """The poses at other times, (T, nq); between two planned ones, a straight line in every coordinate."""
        poses = np.column_stack([np.interp(times, moments, column) for column in trajectory.T])
        quaternion = slice(self._walker.root + 3, self._walker.root + 7)
        poses[:, quaternion] /= np.linalg.norm(poses[:, quaternion], axis=1, keepdims=True)
        poses[0] = self._walker.standing
        return poses
