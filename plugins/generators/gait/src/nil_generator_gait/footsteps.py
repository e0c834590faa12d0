"""Paths of root and feet of a gait over time: pure geometry, independent of the robot.

All displacements are along the heading and upwards, in meters, relative to the standing pose at time 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nil_core.api import Doubles


@dataclass(frozen=True)
class Pace:
    """Gait parameters.

    Attributes:
        speed: m/s of the root after the ramp, negative backwards.
        frequency: Hz, gait cycles.
        duty: duty factor, the stance fraction of the gait cycle.
        lift: m, height of the swing foot.
        ramp: s, from rest to full speed.
        turn_rate: rad/s, positive to the left.
    """

    speed: float
    frequency: float
    duty: float
    lift: float
    ramp: float
    turn_rate: float = 0.0


def ramp_up(times: Doubles, ramp: float) -> Doubles:
    """Smoothstep from 0 to 1 over the ramp."""
    u = np.clip(times / ramp, 0, 1)
    return u * u * (3 - 2 * u)


def root_distance(times: Doubles, pace: Pace) -> Doubles:
    """Traveled distance in m: the integral of the ramped speed; 0 at negative times."""
    return pace.speed * ramped_time(times, pace)


def ramped_time(times: Doubles, pace: Pace) -> Doubles:
    """Integral of the ramp: time at full speed, in s, that gives the same distance."""
    u = np.clip(times / pace.ramp, 0, 1)
    return pace.ramp * (u**3 - u**4 / 2) + np.maximum(times - pace.ramp, 0)


def body_path(times: Doubles, pace: Pace) -> Doubles:
    """Planar pose of the body, (T, 3): m forward, m to the left, rad to the left; an arc if it turns."""
    distance, yaw = root_distance(times, pace), pace.turn_rate * ramped_time(times, pace)
    forward, left = np.sinc(yaw / np.pi), np.sinc(yaw / (2 * np.pi)) * np.sin(yaw / 2)  # fractions of the arc length
    return np.stack([distance * forward, distance * left, yaw], axis=-1)


def foot_path(times: Doubles, phase: float, pace: Pace) -> tuple[Doubles, Doubles]:
    """Path of one foot in a straight gait.

    The first swing begins ``phase`` cycles after the start. In stance the foot is fixed; the foothold is the foot's
    position under the body at mid-stance, so that stance is symmetric about the body. In swing the foot follows a
    cycloid, with zero velocity at lift-off and touchdown.

    Args:
        times: (T,) s from 0.
        phase: cycles in [0, 1).
        pace: of the gait.

    Returns:
        (T,) m forward and (T,) m up.
    """
    before, after, progress, up = foot_swings(times, phase, pace)
    start = root_distance(before, pace)
    return start + (root_distance(after, pace) - start) * progress, up


def turning_foot_path(times: Doubles, phase: float, pace: Pace, home: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Path of one foot in a turning gait, see :func:`foot_path`.

    Args:
        times: (T,) s from 0.
        phase: cycles in [0, 1).
        pace: of the gait.
        home: (2,) m, foot position relative to the center of rotation in the standing pose.

    Returns:
        (T, 2) m relative to the center of rotation at time 0, (T,) m up and (T,) rad to the left.
    """
    before, after, progress, up = foot_swings(times, phase, pace)
    body_start, body_end = (body_path(stance_times, pace) for stance_times in (before, after))
    start, end = (pose[:, :2] + rotated(home, pose[:, 2]) for pose in (body_start, body_end))
    position = start + (end - start) * progress[:, None]
    return position, up, body_start[:, 2] + (body_end[:, 2] - body_start[:, 2]) * progress


def foot_swings(times: Doubles, phase: float, pace: Pace) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """Current swing of a foot at each time, (T,) each: mid-stance times before and after it (s), its progress in
    [0, 1], and the height of the foot (m).
    """
    swing_time, stance_time = (1 - pace.duty) / pace.frequency, pace.duty / pace.frequency
    cycle = np.floor(times * pace.frequency - phase)
    lift_off = (cycle + phase) / pace.frequency
    after = lift_off + swing_time + stance_time / 2
    before = np.where(cycle < 1, 0.0, lift_off - stance_time / 2)
    u = np.where(cycle < 0, 0.0, np.clip((times - lift_off) / swing_time, 0, 1))
    progress = u - np.sin(2 * np.pi * u) / (2 * np.pi)
    return before, after, progress, pace.lift * ((1 - np.cos(2 * np.pi * u)) / 2)


def rotated(vectors: Doubles, yaw: Doubles | float) -> Doubles:
    """Planar vectors (..., 2), rotated to the left by ``yaw`` rad."""
    sine, cosine = np.sin(yaw), np.cos(yaw)
    x, y = vectors[..., 0], vectors[..., 1]
    return np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=-1)
