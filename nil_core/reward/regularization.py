"""P of the reward: what a video cannot show, but a motor must not do (NIL, section 3.3).

Five terms, as in the paper: joint torque, action change, joint velocity, feet, stability. The paper gives no
coefficients; the weights (``reward.torque`` ...) are nil's, chosen small beside the two similarities. Each function
returns what its weight is multiplied with, averaged over joints so that one weight serves robots of any size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nil_core.config import RewardSettings
from nil_core.sim.environment import Measurements
from nil_core.types import Floats

AIR_TIME_BONUS = 0.5


def torque(m: Measurements) -> Floats:
    """P_J: minus the mean squared share of the torque limit; no unit, in [-1, 0]."""
    return np.asarray(-np.mean(np.square(m.torque), axis=-1))


def action(m: Measurements) -> Floats:
    """P_A: minus the mean squared change of the action; no unit, in [-4, 0]."""
    return np.asarray(-np.mean(np.square(m.action - m.last_action), axis=-1))


def velocity(m: Measurements) -> Floats:
    """P_V: minus the mean squared joint velocity, (rad/s)^2."""
    return np.asarray(-np.mean(np.square(m.joint_velocity), axis=-1))


def feet(m: Measurements) -> Floats:
    """P_F: minus the slip speed (m/s) of loaded feet, plus a small bonus on air time (s) at touch-down."""
    return np.asarray(AIR_TIME_BONUS * np.sum(m.air_time, axis=-1) - np.sum(m.foot_speed, axis=-1))


def stability(m: Measurements) -> Floats:
    """P_S: minus the squared tilt of the torso, rad^2."""
    return -np.square(m.tilt[..., 0])


@dataclass(frozen=True)
class Term:
    """A regularizer: its name (also of its weight in ``reward``), function, symbol and unit."""

    name: str
    of: Callable[[Measurements], Floats]
    symbol: str
    unit: str


TERMS = (
    Term("torque", torque, "P_J", "share of limit, squared"),
    Term("action", action, "P_A", "action difference, squared"),
    Term("velocity", velocity, "P_V", "(rad/s)^2"),
    Term("feet", feet, "P_F", "m/s slip - 0.5 s air"),
    Term("stability", stability, "P_S", "rad^2 of torso tilt"),
)


def weights(settings: RewardSettings) -> dict[str, float]:
    """The terms that count, and what their value is multiplied with: the term's weight times gamma."""
    return {t.name: w for t in TERMS if (w := settings.regularization * getattr(settings, t.name)) > 0}


def weighted_terms(measurements: Measurements, weight_of: dict[str, float]) -> Floats:
    """(..., terms): each counted term times its weight; the sum over the last axis is gamma * P."""
    return np.stack([w * term.of(measurements) for term in TERMS if (w := weight_of.get(term.name))], axis=-1)
