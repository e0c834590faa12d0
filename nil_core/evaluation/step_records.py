"""What evaluation environments measure after every control step, beside the reward's state terms.

Training environments measure none of this. The simulation computes the numbers like state terms, as further columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nil_core.measurements import Measurements, StateTerm
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles

ROOT_QUATERNION = slice(3, 7)
"""In qpos, whose first entries are the root's."""


@dataclass(frozen=True)
class StepRecords:
    """Measurements of one episode, a row after each of its n control steps; all arrays are float64.

    Attributes:
        joint_position: (n, nu) rad.
        joint_velocity: (n, nu) rad/s.
        torque: (n, nu) N m.
        root_velocity: (n, 2) m/s in the world, forward and to the left.
        root_height: (n,) m.
        root_quaternion: (n, 4), w first.
        slip: (n,) m/s, sum over the feet that carry load.
        loaded_feet: (n,), how many feet carry load.
    """

    joint_position: Doubles
    joint_velocity: Doubles
    torque: Doubles
    root_velocity: Doubles
    root_height: Doubles
    root_quaternion: Doubles
    slip: Doubles
    loaded_feet: Doubles


@dataclass(frozen=True)
class Entry:
    """One number of an array of :class:`nil_core.measurements.Measurements`."""

    name: str
    index: int

    def __call__(self, measured: Measurements) -> Any:
        """The number."""
        return getattr(measured, self.name)[self.index]


@dataclass(frozen=True)
class QuaternionEntry:
    """One number of the root's quaternion."""

    index: int

    def __call__(self, measured: Measurements) -> Any:
        """The number."""
        return measured.data.qpos[ROOT_QUATERNION][self.index]


def slip(measured: Measurements) -> Any:
    """M/s, sum over the feet that carry load."""
    return np.sum(measured.foot_speed)


def loaded_feet(measured: Measurements) -> Any:
    """How many feet carry load."""
    return np.count_nonzero(measured.contacts)


class Recorder:
    """The measurements of one robot, as functions for the simulation, and back from their columns.

    Args:
        scene: of the robot.

    Attributes:
        terms: functions of :class:`nil_core.measurements.Measurements`, one for each column.
    """

    def __init__(self, scene: RobotScene) -> None:
        joints = range(scene.model.nu)
        groups: list[list[StateTerm]] = [
            [Entry("joint_position", i) for i in joints],
            [Entry("joint_velocity", i) for i in joints],
            [Entry("torque", i) for i in joints],
            [Entry("root_velocity", i) for i in range(2)],
            [Entry("root_position", 2)],
            [QuaternionEntry(i) for i in range(4)],
            [slip],
            [loaded_feet],
        ]
        self.terms: tuple[StateTerm, ...] = tuple(term for group in groups for term in group)
        self._bounds = np.cumsum([len(group) for group in groups])[:-1]
        self._torque_limits = np.array([actuator.torque_limit for actuator in scene.spec.actuators])

    def records(self, columns: Doubles) -> StepRecords:
        """The records of an episode from the columns (n, terms) of its control steps."""
        parts = np.split(columns.astype(np.float64), self._bounds, axis=1)
        position, velocity, torque_share, root_velocity, height, quaternion, slips, loaded = parts
        return StepRecords(
            joint_position=position,
            joint_velocity=velocity,
            torque=torque_share * self._torque_limits,
            root_velocity=root_velocity,
            root_height=height[:, 0],
            root_quaternion=quaternion,
            slip=slips[:, 0],
            loaded_feet=loaded[:, 0],
        )
