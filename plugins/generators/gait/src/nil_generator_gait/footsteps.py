"""Where the root and the feet are at every moment of a gait: pure geometry, no robot.

All displacements are along the heading and upwards, in metres, from the standing pose at time 0.
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
    """

    speed: float
    frequency: float
    duty: float
    lift: float
    ramp: float


def ramp_up(times: Doubles, ramp: float) -> Doubles:
    """0 to 1 over the ramp, flat at both ends (smoothstep)."""
    u = np.clip(times / ramp, 0, 1)
    return u * u * (3 - 2 * u)


def root_distance(times: Doubles, pace: Pace) -> Doubles:
    """Metres travelled: the integral of the ramped speed. Negative times are 0."""
    u = np.clip(times / pace.ramp, 0, 1)
    return pace.speed * (pace.ramp * (u**3 - u**4 / 2) + np.maximum(times - pace.ramp, 0))


def foot_path(times: Doubles, phase: float, pace: Pace) -> tuple[Doubles, Doubles]:
    """Path of one foot.

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
    swing_time, stance_time = (1 - pace.duty) / pace.frequency, pace.duty / pace.frequency
    cycle = np.floor(times * pace.frequency - phase)
    lift_off = (cycle + phase) / pace.frequency
    foothold = root_distance(lift_off + swing_time + stance_time / 2, pace)
    former = np.where(cycle < 1, 0.0, root_distance(lift_off - stance_time / 2, pace))
    u = np.where(cycle < 0, 0.0, np.clip((times - lift_off) / swing_time, 0, 1))
    forward = u - np.sin(2 * np.pi * u) / (2 * np.pi)
    up = (1 - np.cos(2 * np.pi * u)) / 2
    return former + (foothold - former) * forward, pace.lift * up
