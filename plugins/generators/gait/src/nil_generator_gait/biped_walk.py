"""Dynamically feasible walks of bipeds: the center of mass moves so that the ZMP stays in the stance soles."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import mujoco
import numpy as np

from nil_core.api import Doubles, Scene
from nil_generator_gait.biped_footsteps import Step, foot_motion, heading, plan_steps, zmp_path
from nil_generator_gait.footsteps import Pace, ramp_up, rotated
from nil_generator_gait.inverse_kinematics import yawed
from nil_generator_gait.soles import Sole, find_sole
from nil_generator_gait.walker import CROUCH_FRACTIONS, FOOT_ERROR_TOLERANCE, Walker
from nil_generator_gait.zero_moment_point import TIME_STEP, PreviewController, zero_moment_point

POSE_RATE = 50.0  # Hz of planned poses
CROUCH_SEARCH_STRIDE = 3  # every n-th pose is used to find the crouch
ZMP_CORRECTIONS = 2  # rounds in which the whole-body ZMP corrects the center of mass of the cart-table model
ZMP_SMOOTHING = 0.08  # s, window over which the ZMP error is averaged
EXTRA_SECONDS = 0.2  # planned after the end to avoid boundary effects
ZMP_INSET = 0.3  # of a sole's half width: offset of the ZMP from the middle of the sole to its inner side
ZMP_MAX_OFFSET = 0.6  # of a sole's half length: maximum offset of the ZMP along the sole


@dataclass(frozen=True)
class PlannedWalk:
    """A planned walk.

    Attributes:
        trajectory: (T, nq).
        error: m, maximum distance of a foot from its target.
        crouch: m, root height below that of the standing pose.
        zmp: (T, 2) m, the planned ZMP.
        steps: of the feet.
    """

    trajectory: Doubles
    error: float
    crouch: float
    zmp: Doubles
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class _CartTablePlan:
    """Plan of a walk without joint angles: footsteps, ZMP and center of mass.

    Attributes:
        pace, shift, crouch: as requested.
        steps: up to the end of the controller's preview horizon.
        times: (K,) s, of the planned ZMP.
        zmp: (K, 2) m.
        controller: of the cart-table model.
        com: (C, 2) m, center of mass at the first C of these times.
    """

    pace: Pace
    shift: float
    crouch: float
    steps: list[Step]
    times: Doubles
    zmp: Doubles
    controller: PreviewController
    com: Doubles


class BipedWalk:
    """Planner of biped walks (Kajita et al. 2003).

    It plans footsteps, a ZMP path from foot to foot, the center of mass by preview control of the cart-table model, and
    joint angles by inverse kinematics; then it corrects the center of mass by the error of the whole-body ZMP and
    repeats the inverse kinematics.

    Args:
        scene: robot, model and standing pose.
        walker: legs and kinematics of the same robot.

    Attributes:
        soles: in the standing pose, in the order of the legs.
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
        self._standing_com: Doubles = data.subtree_com[scene.model.body(scene.spec.root).id].copy()

    def plan(self, pace: Pace, shift: float, times: Doubles, crouch: float | None = None) -> PlannedWalk:
        """Plan a walk at the given times.

        Args:
            pace: of the walk.
            shift: s, time of the weight shift before the first step.
            times: (T,) s, from 0.
            crouch: m, hip height below that of the standing pose; None: as little as the steps need.
        """
        end = float(times[-1]) + EXTRA_SECONDS
        pose_times = np.arange(0, end, 1 / POSE_RATE)
        min_error = math.inf
        for depth in CROUCH_FRACTIONS * self._walker.hip_height if crouch is None else [crouch]:
            attempt = self._plan_cart_table(pace, shift, float(depth), end)
            _, error = self._poses(pose_times[::CROUCH_SEARCH_STRIDE], attempt, min_error)
            if error < min_error:
                min_error, plan = error, attempt
            if min_error < FOOT_ERROR_TOLERANCE:
                break
        trajectory, error = self._poses(pose_times, plan)
        for _ in range(ZMP_CORRECTIONS):
            plan = self._corrected(plan, pose_times, trajectory)
            trajectory, error = self._poses(pose_times, plan)
        return PlannedWalk(
            trajectory=self._resampled(times, pose_times, trajectory),
            error=error,
            crouch=plan.crouch,
            zmp=_interpolated(times, plan.times, plan.zmp),
            steps=tuple(step for step in plan.steps if step.lift_off < times[-1]),
        )

    def _plan_cart_table(self, pace: Pace, shift: float, crouch: float, end: float) -> _CartTablePlan:
        controller = PreviewController(self._standing_com[2] - crouch)
        times = TIME_STEP * np.arange(round(end / TIME_STEP) + 2 + controller.preview_steps, dtype=np.float64)
        feet = np.array([sole.middle for sole in self.soles])
        first = min(range(2), key=lambda leg: self._walker.legs[leg].phase)
        steps = plan_steps(feet, first, pace, shift, float(times[-1]))
        zmp = zmp_path(times, steps, self._standing_com[:2], self._zmp_offsets())
        return _CartTablePlan(pace, shift, crouch, steps, times, zmp, controller, controller.follow(zmp))

    def _corrected(self, plan: _CartTablePlan, pose_times: Doubles, trajectory: Doubles) -> _CartTablePlan:
        """Move the center of mass to reduce the difference between planned and whole-body ZMP."""
        planned_zmp = _interpolated(pose_times, plan.times, plan.zmp)
        zmp_error = planned_zmp - zero_moment_point(self._model, trajectory, 1 / POSE_RATE)
        zmp_error *= ramp_up(pose_times, 2 * ZMP_SMOOTHING)[:, None]  # no correction at the start
        half = round(ZMP_SMOOTHING * POSE_RATE / 2)
        window = np.hanning(2 * half + 3)[1:-1]
        padded = np.pad(zmp_error, ((half, half), (0, 0)), mode="edge")
        smooth = np.column_stack([np.convolve(column, window / window.sum(), mode="valid") for column in padded.T])
        path = _interpolated(plan.times, pose_times, smooth)
        last_cycle = pose_times > pose_times[-1] - 1 / plan.pace.frequency
        path[plan.times > pose_times[-1]] = smooth[last_cycle].mean(axis=0)
        path[0] = 0
        return replace(plan, com=plan.com + plan.controller.follow(path))

    def _zmp_offsets(self) -> Doubles:
        """(2, 2) m, ZMP in single support on each foot, relative to the middle of its sole."""
        middle = np.mean([sole.middle for sole in self.soles], axis=0)
        forward = float(self._standing_com[0] - middle[0])  # as in the standing pose
        return np.array(
            [
                (
                    np.clip(forward, -ZMP_MAX_OFFSET * sole.half[0], ZMP_MAX_OFFSET * sole.half[0]),
                    -np.sign(sole.middle[1] - middle[1]) * ZMP_INSET * sole.half[1],
                )
                for sole in self.soles
            ]
        )

    def _poses(self, pose_times: Doubles, plan: _CartTablePlan, error_limit: float = math.inf) -> tuple[Doubles, float]:
        """Poses (T, nq) for the planned center of mass, and the maximum foot error in m; stops early at
        ``error_limit``."""
        walker, root = self._walker, self._walker.root
        pace, steps = plan.pace, plan.steps
        targets, yaws = np.empty((len(pose_times), 2, 3)), np.empty((len(pose_times), 2))
        for index, leg in enumerate(walker.legs):
            foot_poses, up = foot_motion(pose_times, steps, index, pace.lift)
            yaws[:, index] = foot_poses[:, 2]
            contact = rotated(leg.home[:2] - self.soles[index].middle, foot_poses[:, 2])
            targets[:, index, :2] = foot_poses[:, :2] + contact
            targets[:, index, 2] = leg.home[2] + up
        headings = heading(pose_times, steps, 0.5 / pace.frequency)
        trajectory = np.tile(walker.standing, (len(pose_times), 1))
        root_offset = rotated(walker.standing[root : root + 2] - self._standing_com[:2], headings)
        com = _interpolated(pose_times, plan.times[: len(plan.com)], plan.com)
        trajectory[:, root : root + 2] = root_offset + com
        trajectory[:, root + 2] -= plan.crouch * ramp_up(pose_times, max(plan.shift, 1 / POSE_RATE))
        if pace.turn_rate:
            for pose, yaw in zip(trajectory, headings, strict=True):
                pose[root + 3 : root + 7] = yawed(pose[root + 3 : root + 7], yaw)
        error = walker.place_feet(trajectory, targets, yaws if pace.turn_rate else None, error_limit)
        if error < error_limit:
            walker.swing_arms(trajectory, headings)
        return trajectory, error

    def _resampled(self, times: Doubles, pose_times: Doubles, trajectory: Doubles) -> Doubles:
        """Poses at other times, (T, nq), by linear interpolation of each coordinate."""
        poses = _interpolated(times, pose_times, trajectory)
        quaternion = slice(self._walker.root + 3, self._walker.root + 7)
        poses[:, quaternion] /= np.linalg.norm(poses[:, quaternion], axis=1, keepdims=True)
        poses[0] = self._walker.standing
        return poses


def _interpolated(times: Doubles, known_times: Doubles, rows: Doubles) -> Doubles:
    """Rows (T, ...) at other times, by linear interpolation."""
    return np.column_stack([np.interp(times, known_times, column) for column in rows.T])
