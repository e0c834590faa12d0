"""Natural gait parameters for a robot of a given size, by dynamic similarity."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nil_generator_gait import GaitOptions
from nil_generator_gait.footsteps import Pace
from nil_generator_gait.skills import Skill

GRAVITY = 9.81  # m/s²
TURN_PER_CYCLE = 0.5  # rad per gait cycle
SHIFT_TIME = 3.2  # of sqrt(L / g): time for the weight shift onto one foot, from rest


@dataclass(frozen=True)
class GaitScaling:
    """Factors by number of legs. By dynamic similarity (equal Froude numbers) speeds scale with sqrt(g L) and
    frequencies with sqrt(g / L), where L is the hip height in m.

    Attributes:
        speed, frequency: factors of the walk.
        duty: added to the duty factor of the skill.
        lift, max_lift: of the swing foot, as a fraction of L and in m.
    """

    speed: float
    frequency: float
    duty: float
    lift: float
    max_lift: float


BIPED = GaitScaling(speed=0.35, frequency=0.33, duty=0.05, lift=0.1, max_lift=0.12)
"""Slow walk with Froude number 0.12, as of people in no hurry; the Unitree H1 walks 1.0 m/s at 1.1 Hz."""

MULTI_LEGGED = GaitScaling(speed=0.49, frequency=0.415, duty=0.0, lift=0.3, max_lift=0.12)
"""Similar to a trotting dog; the Unitree A1 walks 0.8 m/s at 2.5 Hz with a foot lift of 8 cm."""


def natural_pace(hip_height: float, legs: int, skill: Skill, options: GaitOptions, fraction: float) -> Pace:
    """Gait parameters: the user's options, completed by natural values.

    Args:
        hip_height: L, m.
        legs: number of legs.
        skill: to plan.
        options: set by the user.
        fraction: of the natural speed and turn rate; options are not scaled.
    """
    scaling = BIPED if legs == 2 else MULTI_LEGGED
    natural = fraction * abs(skill.speed) * scaling.speed * math.sqrt(GRAVITY * hip_height)
    speed = options.speed if options.speed is not None else natural
    direction = float(np.sign(skill.speed)) or abs(float(np.sign(skill.turn)))  # turning with a speed gives an arc
    frequency = options.frequency or skill.frequency * scaling.frequency * math.sqrt(GRAVITY / hip_height)
    turn_rate = options.turn_rate or fraction * abs(skill.turn) * TURN_PER_CYCLE * frequency
    return Pace(
        speed=direction * speed,
        frequency=frequency,
        duty=options.duty or skill.duty + scaling.duty,
        lift=options.lift or min(scaling.lift * hip_height, scaling.max_lift),
        ramp=options.ramp,
        turn_rate=float(np.sign(skill.turn)) * turn_rate,
    )


def natural_shift(hip_height: float, options: GaitOptions) -> float:
    """Time of the weight shift before the first step of a biped walk, s."""
    return options.shift if options.shift is not None else SHIFT_TIME * math.sqrt(hip_height / GRAVITY)
