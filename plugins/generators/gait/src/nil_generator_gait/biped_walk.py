"""A walk on two legs that a body can follow: the center of mass moves so that the standing soles can carry it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

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
SPARSE = 3  # of the poses, one in so many tells how deep to crouch
CORRECTIONS = 2  # rounds in which the motion of all bodies corrects that of the cart-table
SMOOTHED = 0.08  # s, over which the difference is averaged
BEYOND = 0.2  # s planned after the end, so that the end is as the rest
INSET = 0.3  # of a sole's half width: how far the pressure stays on the inner side of its middle
MARGIN = 0.6  # of a sole's half length: what the pressure keeps within


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


@dataclass(frozen=True)
class _Outline:
    """A walk before it has joints: footsteps, and the cart-table.

    Attributes:
        pace, shift, crouch: what was asked for.
        steps: beyond the end, as far as the controller looks ahead.
        known: (K,) s, when the pressure is planned.
        pressure: (K, 2) m.
        controller: of the cart-table.
        center: (C, 2) m, of mass, at the first C of these times.
    """

    pace: Pace
    shift: float
    crouch: float
    steps: list[Step]
    known: Doubles
    pressure: Doubles
    controller: PreviewController
    center: Doubles


class BipedWalk:
    """Plans walks of a robot on two legs: footsteps; the zero moment point from foot to foot; the center of mass by
    preview control of the cart-table; joints by inverse kinematics; and once more with the center of mass corrected by
    how far the zero moment point of all the robot's bodies is from the planned one (Kajita et al. 2003).

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
        end = float(times[-1]) + BEYOND
        moments = np.arange(0, end, 1 / RATE)
        least = math.inf
        for depth in CROUCHES * self._walker.hip_height if crouch is None else [crouch]:
            attempt = self._outline(pace, shift, float(depth), end)
            _, error = self._pose(moments[::SPARSE], attempt, least)
            if error < least:
                least, outline = error, attempt
            if least < GOOD_REACH:
                break
        trajectory, error = self._pose(moments, outline)
        for _ in range(CORRECTIONS):
            outline = self._corrected(outline, moments, trajectory)
            trajectory, error = self._pose(moments, outline)
        return PlannedWalk(
            trajectory=self._at(times, moments, trajectory),
            error=error,
            crouch=outline.crouch,
            pressure=_between(times, outline.known, outline.pressure),
            steps=tuple(step for step in outline.steps if step.lift_off < times[-1]),
        )

    def _outline(self, pace: Pace, shift: float, crouch: float, end: float) -> _Outline:
        controller = PreviewController(self._mass_center[2] - crouch)
        known = STEP * np.arange(round(end / STEP) + 2 + controller.ahead, dtype=np.float64)
        feet = np.array([sole.middle for sole in self.soles])
        first = min(range(2), key=lambda leg: self._walker.legs[leg].phase)
        steps = plan_steps(feet, first, pace, shift, float(known[-1]))
        pressure = pressure_path(known, steps, self._mass_center[:2], self._within())
        return _Outline(pace, shift, crouch, steps, known, pressure, controller, controller.follow(pressure))

    def _corrected(self, outline: _Outline, moments: Doubles, trajectory: Doubles) -> _Outline:
        """The center of mass moved so that the zero moment point of all bodies comes nearer to the planned one."""
        wanted = _between(moments, outline.known, outline.pressure)
        missed = wanted - zero_moment_point(self._model, trajectory, 1 / RATE)
        missed *= ramp_up(moments, 2 * SMOOTHED)[:, None]  # the body starts where it stands
        half = round(SMOOTHED * RATE / 2)
        window = np.hanning(2 * half + 3)[1:-1]
        padded = np.pad(missed, ((half, half), (0, 0)), mode="edge")
        smooth = np.column_stack([np.convolve(column, window / window.sum(), mode="valid") for column in padded.T])
        path = _between(outline.known, moments, smooth)
        cycle = moments > moments[-1] - 1 / outline.pace.frequency
        path[outline.known > moments[-1]] = smooth[cycle].mean(axis=0)
        path[0] = 0
        return replace(outline, center=outline.center + outline.controller.follow(path))

    def _within(self) -> Doubles:
        """(2, 2) m, where the pressure is under each foot, from the middle of its sole."""
        middle = np.mean([sole.middle for sole in self.soles], axis=0)
        ahead = float(self._mass_center[0] - middle[0])  # as in the stand
        return np.array(
            [
                (
                    np.clip(ahead, -MARGIN * sole.half[0], MARGIN * sole.half[0]),
                    -np.sign(sole.middle[1] - middle[1]) * INSET * sole.half[1],
                )
                for sole in self.soles
            ]
        )

    def _pose(self, moments: Doubles, outline: _Outline, enough: float = math.inf) -> tuple[Doubles, float]:
        """Root, legs and arms (T, nq) about the center of mass, and the largest error of a foot in m; given up where
        that is ``enough``."""
        walker, root = self._walker, self._walker.root
        pace, steps = outline.pace, outline.steps
        targets, yaws = np.empty((len(moments), 2, 3)), np.empty((len(moments), 2))
        for index, leg in enumerate(walker.legs):
            place, up = foot_motion(moments, steps, index, pace.lift)
            yaws[:, index] = place[:, 2]
            targets[:, index, :2] = place[:, :2] + turned(leg.home[:2] - self.soles[index].middle, place[:, 2])
            targets[:, index, 2] = leg.home[2] + up
        heads = heading(moments, steps, 0.5 / pace.frequency)
        trajectory = np.tile(walker.standing, (len(moments), 1))
        above = turned(walker.standing[root : root + 2] - self._mass_center[:2], heads)
        trajectory[:, root : root + 2] = above + _between(moments, outline.known[: len(outline.center)], outline.center)
        trajectory[:, root + 2] -= outline.crouch * ramp_up(moments, max(outline.shift, 1 / RATE))
        if pace.turn_rate:
            for pose, yaw in zip(trajectory, heads, strict=True):
                pose[root + 3 : root + 7] = turn_left(pose[root + 3 : root + 7], yaw)
        error = walker.place_feet(trajectory, targets, yaws if pace.turn_rate else None, enough)
        if error < enough:
            walker.swing_arms(trajectory, heads)
        return trajectory, error

    def _at(self, times: Doubles, moments: Doubles, trajectory: Doubles) -> Doubles:
        """The poses at other times, (T, nq); between two planned ones, a straight line in every coordinate."""
        poses = _between(times, moments, trajectory)
        quaternion = slice(self._walker.root + 3, self._walker.root + 7)
        poses[:, quaternion] /= np.linalg.norm(poses[:, quaternion], axis=1, keepdims=True)
        poses[0] = self._walker.standing
        return poses


def _between(times: Doubles, known: Doubles, rows: Doubles) -> Doubles:
    """Rows (T, ...) at other times, drawn straight between the known ones."""
    return np.column_stack([np.interp(times, known, column) for column in rows.T])
