"""Where the root and the feet are at every moment of a gait: pure geometry, no robot.

All displacements are along the heading and upwards, in meters, from the standing pose at time 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nil_core.api import Doubles


@dataclass(frozen=True)
class Pace:
    """How fast and how high the feet go.

    Attributes:
        speed: m/s of the root after the ramp, negative backwards.
        frequency: Hz, cycles of each foot.
        duty: share of a cycle that a foot stays on the floor.
        lift: m, height of the swinging foot.
        ramp: s, from rest to full speed.
        turn_rate: rad/s to the left.
    """

    speed: float
    frequency: float
    duty: float
    lift: float
    ramp: float
    turn_rate: float = 0.0


def ramp_up(times: Doubles, ramp: float) -> Doubles:
    """0 to 1 over the ramp, flat at both ends (smoothstep)."""
    u = np.clip(times / ramp, 0, 1)
    return u * u * (3 - 2 * u)


def root_distance(times: Doubles, pace: Pace) -> Doubles:
    """Meters traveled: the integral of the ramped speed. Negative times are 0."""
    return pace.speed * ramped_time(times, pace)


def ramped_time(times: Doubles, pace: Pace) -> Doubles:
    """Seconds at full speed that come to as much: the integral of the ramp."""
    u = np.clip(times / pace.ramp, 0, 1)
    return pace.ramp * (u**3 - u**4 / 2) + np.maximum(times - pace.ramp, 0)


def body_path(times: Doubles, pace: Pace) -> Doubles:
    """Pose of the body in the plane: (T, 3), m forward and to the left, rad to the left; an arc where it turns."""
    distance, yaw = root_distance(times, pace), pace.turn_rate * ramped_time(times, pace)
    along, aside = np.sinc(yaw / np.pi), np.sinc(yaw / (2 * np.pi)) * np.sin(yaw / 2)  # of the arc's length
    return np.stack([distance * along, distance * aside, yaw], axis=-1)


def foot_path(times: Doubles, phase: float, pace: Pace) -> tuple[Doubles, Doubles]:
    """Path of one foot that does not turn.

    It swings first at ``phase`` cycles after the start. On the floor it stands still; a foothold lies where the foot's
    place under the body will be at the middle of its stance, so that stance is symmetric about the body. In the air it
    follows a cycloid, which leaves and meets the floor at zero velocity.

    Args:
        times: (T,) s from 0.
        phase: cycles in [0, 1).
        pace: of the whole gait.

    Returns:
        (T,) m forward and (T,) m up.
    """
    before, after, share, up = foot_swings(times, phase, pace)
    former = root_distance(before, pace)
    return former + (root_distance(after, pace) - former) * share, up


def turning_foot_path(times: Doubles, phase: float, pace: Pace, home: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Path of one foot of a body that turns, see :func:`foot_path`.

    Args:
        times: (T,) s from 0.
        phase: cycles in [0, 1).
        pace: of the whole gait.
        home: (2,) m, of the foot from the point that the body turns about, in the standing pose.

    Returns:
        (T, 2) m from that point's place at time 0, (T,) m up and (T,) rad to the left.
    """
    before, after, share, up = foot_swings(times, phase, pace)
    former, later = (body_path(moments, pace) for moments in (before, after))
    start, end = (pose[:, :2] + turned(home, pose[:, 2]) for pose in (former, later))
    place = start + (end - start) * share[:, None]
    return place, up, former[:, 2] + (later[:, 2] - former[:, 2]) * share


def foot_swings(times: Doubles, phase: float, pace: Pace) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """The swing that each moment belongs to, (T,) each: the times in the middle of the stance before and after it (s),
    the share of the way that is done, and how high the foot is (m).
    """
    swing_time, stance_time = (1 - pace.duty) / pace.frequency, pace.duty / pace.frequency
    cycle = np.floor(times * pace.frequency - phase)
    lift_off = (cycle + phase) / pace.frequency
    after = lift_off + swing_time + stance_time / 2
    before = np.where(cycle < 1, 0.0, lift_off - stance_time / 2)
    u = np.where(cycle < 0, 0.0, np.clip((times - lift_off) / swing_time, 0, 1))
    share = u - np.sin(2 * np.pi * u) / (2 * np.pi)
    return before, after, share, pace.lift * ((1 - np.cos(2 * np.pi * u)) / 2)


def turned(vectors: Doubles, yaw: Doubles | float) -> Doubles:
    """Planar vectors (..., 2), turned to the left by rad."""
    sine, cosine = np.sin(yaw), np.cos(yaw)
    x, y = vectors[..., 0], vectors[..., 1]
    return np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=-1)
