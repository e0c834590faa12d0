"""What is measured of a robot after every control step: what regularizers and third-party reward terms are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nil_core.types import Doubles, Flags, Floats

Numbers = Floats | Doubles


@dataclass(frozen=True)
class Measurements:
    """One environment after one control step. Arrays may have leading axes.

    Attributes:
        torque: (..., nu) share of the torque limit, in [-1, 1].
        action: (..., nu) the action.
        last_action: (..., nu) the action before.
        joint_velocity: (..., nu) rad/s.
        foot_speed: (..., F) m/s, horizontal, of the feet that carry load; 0 for the others.
        air_time: (..., F) s that a foot spent in the air, at its touch-down; 0 otherwise.
        tilt: (..., 1) rad between the torso's and the world's vertical.
        joint_names: nu names, in the order of actions.
        joint_position: (..., nu) rad.
        root_position: (..., 3) m.
        root_velocity: (..., 3) m/s, in the world.
        root_angular_velocity: (..., 3) rad/s, in the root's own frame.
        contacts: bool (..., F), which feet carry load.
        model, data: ``mujoco.MjModel`` and ``mujoco.MjData``, to be read only.
    """

    torque: Numbers
    action: Numbers
    last_action: Numbers
    joint_velocity: Numbers
    foot_speed: Numbers
    air_time: Numbers
    tilt: Numbers
    joint_names: tuple[str, ...]
    joint_position: Numbers
    root_position: Numbers
    root_velocity: Numbers
    root_angular_velocity: Numbers
    contacts: Flags
    model: Any = None
    data: Any = None


StateTerm = Callable[[Measurements], Any]
"""A number that is measured after every control step, for the reward."""
