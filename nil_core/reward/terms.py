"""Reward terms: names, inputs and functions.

A term with needs ``state`` is a function of one :class:`nil_core.measurements.Measurements`, computed in the simulation
after every control step and averaged over a tick. The others compare B ticks of the rollout with the same ticks of
the reference, once per tick.

The five regularizers are P of NIL (section 3.3). They penalize motor behavior that a video does not show. The paper
gives no coefficients; nil's weights are small relative to the two similarities. Each is averaged over joints, so that
one weight works for robots of any size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from nil_core.entry_points import Entry, broken, find_reward_term, load
from nil_core.measurements import Measurements
from nil_core.plugin_outputs import CheckedTerm
from nil_core.reward.similarity import cosine
from nil_core.types import Floats
from nil_core.video.masks import iou

AIR_TIME_BONUS = 0.5

Need = Literal["state", "frames", "masks", "embeddings"]


@dataclass(frozen=True)
class RewardTerm:
    """One term of the reward.

    Attributes:
        name: in metrics and tables; for third-party terms also the key of the weight, ``reward.terms.NAME``.
        needs: ``state``: ``function(measurements)`` gives a number, or (...) for measurements (..., ·). ``frames``,
            ``masks``, ``embeddings``: ``function(rollout, reference)`` gives (B,) of uint8 (B, S, S, 3), bool (B, S, S)
            or float32 (B, D) of both. It must be importable by name (no lambda): simulation runs in other processes.
        function: computes it.
        symbol: in tables.
        unit: in tables.
        summary: one line.
    """

    name: str
    needs: Need
    function: Callable[..., Any]
    symbol: str = ""
    unit: str = ""
    summary: str = ""


def torque(m: Measurements) -> Floats:
    """P_J: minus the mean squared share of the torque limit; dimensionless, in [-1, 0]."""
    return np.asarray(-np.mean(np.square(m.torque), axis=-1))


def action(m: Measurements) -> Floats:
    """P_A: minus the mean squared change of the action; dimensionless, in [-4, 0]."""
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


VIDEO = RewardTerm("similarity", "embeddings", cosine, "S_v", "cosine", "video similarity")
IOU = RewardTerm("iou", "masks", iou, "S_M", "IoU", "mask similarity")
REGULARIZERS = (
    RewardTerm("torque", "state", torque, "P_J", "share of limit, squared", "torque"),
    RewardTerm("action", "state", action, "P_A", "action difference, squared", "action"),
    RewardTerm("velocity", "state", velocity, "P_V", "(rad/s)^2", "velocity"),
    RewardTerm("feet", "state", feet, "P_F", "m/s slip - 0.5 s air", "feet"),
    RewardTerm("stability", "state", stability, "P_S", "rad^2 of torso tilt", "stability"),
)


def third_party_term(name: str) -> RewardTerm:
    """Load the term of an entry point.

    Raises:
        ConfigError: there is none of that name.
        PluginError: as :func:`load_term`.
    """
    return load_term(find_reward_term(name))


def load_term(entry: Entry) -> RewardTerm:
    """Import a third-party term; the result of its function is checked at every call.

    Raises:
        PluginError: it cannot be imported, or is no :class:`RewardTerm`.
    """
    term = load(entry)
    if not isinstance(term, RewardTerm):
        why = f"{entry.value} is no RewardTerm but of type {type(term).__name__}"
        raise broken(entry, why, f"report it to the author of {entry.distribution}")
    return replace(term, function=CheckedTerm(term.function, entry))
