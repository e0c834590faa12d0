"""Footsteps of a biped and the ZMP path between its feet: pure geometry, independent of the robot.

Points are (x, y) in m, poses (x, y, yaw) in m and rad, all in world coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nil_core.api import Doubles
from nil_generator_gait.footsteps import Pace, rotated


@dataclass(frozen=True)
class Step:
    """One step of one foot.

    Attributes:
        leg: index of the swing foot, 0 or 1.
        lift_off, landing: s.
        origin, goal: (3,) start and end pose of the swing foot.
        support: (3,) pose of the stance foot.
    """

    leg: int
    lift_off: float
    landing: float
    origin: Doubles
    goal: Doubles
    support: Doubles


def plan_steps(feet: Doubles, first: int, pace: Pace, shift: float, until: float) -> list[Step]:
    """Plan alternating steps; the first one has half the length and half the turn.

    Args:
        feet: (2, 2) m, middles of the soles in the standing pose, oriented along x.
        first: index of the foot that steps first.
        pace: of the walk.
        shift: s, time of the weight shift before the first step.
        until: s, the last step begins after this time.
    """
    middle = feet.mean(axis=0)
    poses = np.column_stack([feet, np.zeros(2)])
    half_cycle, swing = 0.5 / pace.frequency, (1 - pace.duty) / pace.frequency
    steps: list[Step] = []
    yaw, lift_off = 0.0, shift
    while not steps or steps[-1].lift_off <= until:
        leg = (first + len(steps)) % 2
        fraction = 1.0 if steps else 0.5
        turn = fraction * pace.turn_rate * half_cycle
        middle = middle + rotated(np.array([fraction * pace.speed * half_cycle, 0.0]), yaw + turn / 2)
        yaw += turn
        goal = np.r_[middle + rotated(feet[leg] - feet.mean(axis=0), yaw), yaw]
        steps.append(Step(leg, lift_off, lift_off + swing, poses[leg].copy(), goal, poses[1 - leg].copy()))
        poses[leg] = goal
        lift_off += half_cycle
    return steps


def foot_motion(times: Doubles, steps: Sequence[Step], leg: int, lift: float) -> tuple[Doubles, Doubles]:
    """Pose (T, 3) and height (T,) m of a foot: fixed in stance, a cycloid in swing."""
    own = [step for step in steps if step.leg == leg]
    poses = np.tile(own[0].origin, (len(times), 1))
    up = np.zeros(len(times))
    for step in own:
        u = np.clip((times - step.lift_off) / (step.landing - step.lift_off), 0, 1)
        started = u > 0
        progress = u - np.sin(2 * np.pi * u) / (2 * np.pi)
        poses[started] = step.origin + (step.goal - step.origin) * progress[started, None]
        up += lift * (1 - np.cos(2 * np.pi * u)) / 2
    return poses, up


def zmp_path(times: Doubles, steps: Sequence[Step], start: Doubles, offsets: Doubles) -> Doubles:
    """ZMP (T, 2) m: fixed under the stance foot in single support, moving linearly in double support.

    Args:
        times: (T,) s.
        steps: of the walk.
        start: (2,) m, below the center of mass in the standing pose.
        offsets: (2, 2) m, ZMP under each foot relative to the middle of the sole, x along the foot.
    """
    double_support = max(steps[1].lift_off - steps[0].landing, 0.0) if len(steps) > 1 else 0.0
    knot_times, points = [0.0, max(steps[0].lift_off - double_support, 0.0)], [start, start]
    for step in steps:
        point = step.support[:2] + rotated(offsets[1 - step.leg], step.support[2])
        knot_times += [step.lift_off, step.landing]
        points += [point, point]
    knots = np.array(points)
    return np.column_stack([np.interp(times, knot_times, knots[:, axis]) for axis in (0, 1)])


def heading(times: Doubles, steps: Sequence[Step], half_cycle: float) -> Doubles:
    """Yaw (T,) rad of the body: that of the stance foot at mid-step, interpolated linearly and smoothed."""
    mid_times = [0.0, *((step.lift_off + step.landing) / 2 for step in steps)]
    yaws = [0.0, *(step.support[2] for step in steps)]
    offsets = np.linspace(-half_cycle / 2, half_cycle / 2, 9)  # the mean over half a cycle is smooth
    smooth: Doubles = np.mean([np.interp(np.maximum(times + offset, 0), mid_times, yaws) for offset in offsets], axis=0)
    return smooth
