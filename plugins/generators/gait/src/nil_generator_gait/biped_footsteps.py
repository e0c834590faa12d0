"""Where two feet step, and where the zero moment point goes from foot to foot: pure geometry, no robot.

Planes are (x, y) in m, poses (x, y, yaw) in m and rad, all in world coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nil_core.api import Doubles
from nil_generator_gait.footsteps import Pace, turned


@dataclass(frozen=True)
class Step:
    """One step of one foot.

    Attributes:
        leg: which foot swings, 0 or 1; the other one stands.
        lift_off, landing: s.
        origin, goal: (3,) poses of the foot.
        support: (3,) pose of the foot that stands.
    """

    leg: int
    lift_off: float
    landing: float
    origin: Doubles
    goal: Doubles
    support: Doubles


def plan_steps(feet: Doubles, first: int, pace: Pace, shift: float, until: float) -> list[Step]:
    """The feet step in turn, each one ahead of the other; the first step is half as long, and turns half as far.

    Args:
        feet: (2, 2) m, the middles of the standing soles, which point along x.
        first: which foot steps first.
        pace: of the walk.
        shift: s before the first step, in which the weight moves onto the other foot.
        until: s, the last step begins after that.
    """
    middle = feet.mean(axis=0)
    poses = np.column_stack([feet, np.zeros(2)])
    half_cycle, swing = 0.5 / pace.frequency, (1 - pace.duty) / pace.frequency
    steps: list[Step] = []
    yaw, lift_off = 0.0, shift
    while not steps or steps[-1].lift_off <= until:
        leg = (first + len(steps)) % 2
        share = 1.0 if steps else 0.5
        turn = share * pace.turn_rate * half_cycle
        middle = middle + turned(np.array([share * pace.speed * half_cycle, 0.0]), yaw + turn / 2)
        yaw += turn
        goal = np.r_[middle + turned(feet[leg] - feet.mean(axis=0), yaw), yaw]
        steps.append(Step(leg, lift_off, lift_off + swing, poses[leg].copy(), goal, poses[1 - leg].copy()))
        poses[leg] = goal
        lift_off += half_cycle
    return steps


def foot_motion(times: Doubles, steps: Sequence[Step], leg: int, lift: float) -> tuple[Doubles, Doubles]:
    """Pose (T, 3) and height (T,) of a foot: still on the floor, on a cycloid in the air."""
    own = [step for step in steps if step.leg == leg]
    poses = np.tile(own[0].origin, (len(times), 1))
    up = np.zeros(len(times))
    for step in own:
        u = np.clip((times - step.lift_off) / (step.landing - step.lift_off), 0, 1)
        begun = u > 0
        forward = u - np.sin(2 * np.pi * u) / (2 * np.pi)
        poses[begun] = step.origin + (step.goal - step.origin) * forward[begun, None]
        up += lift * (1 - np.cos(2 * np.pi * u)) / 2
    return poses, up


def pressure_path(times: Doubles, steps: Sequence[Step], start: Doubles, within: Doubles) -> Doubles:
    """The zero moment point (T, 2) m: still under a foot while the other one swings, moving while both stand.

    Args:
        times: (T,) s.
        steps: of the walk.
        start: (2,) m, beneath the center of mass of the standing robot.
        within: (2, 2) m, where it lies under each foot, from the middle of the sole, x along the foot.
    """
    both = max(steps[1].lift_off - steps[0].landing, 0.0) if len(steps) > 1 else 0.0
    moments, places = [0.0, max(steps[0].lift_off - both, 0.0)], [start, start]
    for step in steps:
        under = step.support[:2] + turned(within[1 - step.leg], step.support[2])
        moments += [step.lift_off, step.landing]
        places += [under, under]
    knots = np.array(places)
    return np.column_stack([np.interp(times, moments, knots[:, axis]) for axis in (0, 1)])


def heading(times: Doubles, steps: Sequence[Step], half_cycle: float) -> Doubles:
    """Yaw (T,) rad of the body: that of the standing foot in the middle of each step, turning evenly in between."""
    middles = [0.0, *((step.lift_off + step.landing) / 2 for step in steps)]
    yaws = [0.0, *(step.support[2] for step in steps)]
    offsets = np.linspace(-half_cycle / 2, half_cycle / 2, 9)  # the mean over half a cycle has no kinks
    smooth: Doubles = np.mean([np.interp(np.maximum(times + offset, 0), middles, yaws) for offset in offsets], axis=0)
    return smooth
