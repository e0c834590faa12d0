"""The pace that comes naturally to a body of a given size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nil_generator_gait import GaitOptions
from nil_generator_gait.footsteps import Pace
from nil_generator_gait.skills import Skill

GRAVITY = 9.81  # m/s²
TURN = 0.5  # rad in a cycle of each foot
SHIFT = 3.2  # of sqrt(L / g): how long a body at rest takes to move its weight onto one foot


@dataclass(frozen=True)
class Build:
    """Factors by number of legs. Dynamic similarity (equal Froude numbers) makes the rest: speeds go with sqrt(g L),
    frequencies with sqrt(g / L), L the height of the hips in m.

    Attributes:
        speed, frequency: factors of walking.
        duty: added to the skill's.
        lift, highest: of the feet, as a share of L and in m.
    """

    speed: float
    frequency: float
    duty: float
    lift: float
    highest: float


BIPED = Build(speed=0.35, frequency=0.33, duty=0.05, lift=0.1, highest=0.12)
"""A calm walk: Froude number 0.12, where a person in no hurry walks; the Unitree H1 goes 1.0 m/s at 1.1 Hz."""

MANY_LEGGED = Build(speed=0.49, frequency=0.415, duty=0.0, lift=0.3, highest=0.12)
"""As a dog trots: the Unitree A1 goes 0.8 m/s at 2.5 Hz and lifts its feet by 8 cm."""


def natural_pace(hip_height: float, legs: int, skill: Skill, options: GaitOptions, share: float) -> Pace:
    """The options, completed by what is natural.

    Args:
        hip_height: L, m.
        legs: how many.
        skill: what to do.
        options: what the user set.
        share: of the natural speed and turn rate; what the user set stays.
    """
    build = BIPED if legs == 2 else MANY_LEGGED
    natural = share * abs(skill.speed) * build.speed * math.sqrt(GRAVITY * hip_height)
    speed = options.speed if options.speed is not None else natural
    direction = float(np.sign(skill.speed)) or abs(float(np.sign(skill.turn)))  # who turns at a speed walks an arc
    frequency = options.frequency or skill.frequency * build.frequency * math.sqrt(GRAVITY / hip_height)
    turn_rate = options.turn_rate or share * abs(skill.turn) * TURN * frequency
    return Pace(
        speed=direction * speed,
        frequency=frequency,
        duty=options.duty or skill.duty + build.duty,
        lift=options.lift or min(build.lift * hip_height, build.highest),
        ramp=options.ramp,
        turn_rate=float(np.sign(skill.turn)) * turn_rate,
    )


def natural_shift(hip_height: float, options: GaitOptions) -> float:
    """Seconds before the first step of a walk on two legs, in which the weight moves onto one foot."""
    return options.shift if options.shift is not None else SHIFT * math.sqrt(hip_height / GRAVITY)
