"""Quality of a motion that a score of speed cannot see: smoothness, slip, cost of transport, asymmetry."""

from __future__ import annotations

import numpy as np

from nil_core.evaluation.rollout import Episode
from nil_core.reference.recovery.pose_space import PoseSpace
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles

SLOWEST = 0.05
"""M/s, mean forward speed below which nothing is transported."""

SHORTEST = 0.5
"""S, of an episode below which its symmetry cannot be told."""

LONGEST_LAG = 1.0
"""S, between the two sides of the body: more than half a cycle of any gait."""


def mean_change(rows: Doubles, hz: float) -> float | None:
    """Mean absolute change of rows (n, J) in a second, over steps and joints; None for a single row."""
    return float(np.abs(np.diff(rows, axis=0)).mean()) * hz if len(rows) > 1 else None


def foot_slip(slip: Doubles, loaded_feet: Doubles) -> float | None:
    """Mean horizontal speed of loaded feet in m/s, over steps and feet; None if no foot was ever loaded.

    Args:
        slip: (n,) m/s, sum over the loaded feet.
        loaded_feet: (n,), how many they are.
    """
    return float(slip.sum() / loaded_feet.sum()) if loaded_feet.sum() else None


def cost_of_transport(torque: Doubles, velocity: Doubles, speed: float, weight: float) -> float | None:
    """Mechanical power / (m g v), dimensionless; None for a robot that goes nowhere.

    Args:
        torque: (n, J) N m.
        velocity: (n, J) rad/s; power is the sum of ``|torque * velocity|`` over the joints.
        speed: m/s, mean forward speed; backwards is as good.
        weight: m g, N.
    """
    if abs(speed) < SLOWEST:
        return None
    power = np.abs(torque * velocity).sum(axis=1).mean()
    return float(power / (weight * abs(speed)))


def asymmetry(left: Doubles, right: Doubles, hz: float) -> float | None:
    """Mean difference in degrees between the joints of both sides, after the constant lag that makes it smallest.

    In a symmetric gait, one side does what the other did half a cycle before; in a bound or a stand, the lag is 0.

    Args:
        left, right: (n, pairs) rad, the right ones mirrored.
        hz: rows per second.

    Returns:
        None for less than :data:`SHORTEST`, or without pairs.
    """
    n = len(left)
    if n < SHORTEST * hz or not left.shape[1]:
        return None
    longest = min(round(LONGEST_LAG * hz), n // 2)
    errors = [np.abs(left[lag:] - right[: n - lag]).mean() for lag in range(longest + 1)]
    errors += [np.abs(right[lag:] - left[: n - lag]).mean() for lag in range(1, longest + 1)]
    return float(np.degrees(min(errors)))


class GaitQuality:
    """The quality of the motion of one robot.

    Args:
        scene: of the robot.
        control_hz: rate of the measurements.
    """

    def __init__(self, scene: RobotScene, control_hz: float) -> None:
        space = PoseSpace(scene)
        self._hz = control_hz
        self._stand = space.stand[space.joints]
        self._left = np.array([i for i, image in enumerate(space.mirror) if i < image], dtype=int)
        self._right = space.mirror[self._left]
        self._sign = space.mirror_sign[self._left]
        mass = scene.model.body_subtreemass[space.root]
        self._weight = float(mass * np.linalg.norm(scene.model.opt.gravity))

    def __call__(self, episode: Episode) -> dict[str, float | None]:
        """Column to value."""
        records = episode.records
        if records is None:
            return {}
        angles = records.joint_position - self._stand
        speed = float(records.root_velocity[:, 0].mean())
        return {
            "joint_acceleration": mean_change(records.joint_velocity, self._hz),
            "torque_change": mean_change(records.torque, self._hz),
            "foot_slip": foot_slip(records.slip, records.loaded_feet),
            "cost_of_transport": cost_of_transport(records.torque, records.joint_velocity, speed, self._weight),
            "asymmetry": asymmetry(angles[:, self._left], self._sign * angles[:, self._right], self._hz),
        }
