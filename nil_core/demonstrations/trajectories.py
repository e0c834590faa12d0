"""A set of trajectories of one robot."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from nil_core.errors import DataError
from nil_core.types import Doubles, Floats

SHORTEST = 2  # frames: one transition
LARGEST = 1e6
"""Beyond every position and velocity of a robot, in m, rad and per second."""


def make_command(robot: str, out: str, recording: str = "RECORDING") -> str:
    """The command that makes demonstrations of a robot, for hints."""
    return f"nil demos make {shlex.quote(recording)} --robot {shlex.quote(robot)} --out {shlex.quote(out)}"


@dataclass(frozen=True)
class Demonstrations:
    """n trajectories of one robot, one after another in the rows of every array; row r + 1 is 1 / hz s after row r.

    Attributes:
        robot: name of the robot, as in its ``RobotSpec``.
        joints: the actuated joints, in the order of actions.
        hz: rows per second.
        lengths: int64 (n,), rows of each trajectory, 2 or more.
        qpos: float64 (rows, nq), MuJoCo's positions, root first.
        qvel: float64 (rows, nv), MuJoCo's velocities: of the root linear in the world's frame, angular in its own.
        actions: float32 (rows, act) in [-1, 1], each taken in the state of its row and held until the next; that of a
            trajectory's last row is 0 and leads nowhere. None: unknown, as in motion capture.
        observations: float32 (rows, obs), of the run that recorded them. None: unknown.
        layout: where each term of an observation lies, as in ``AgentSpec.layout``; empty without observations.
        provenance: JSON values: where they come from.

    Raises:
        DataError: arrays that do not fit together, values that are not finite, or a trajectory of one frame.
    """

    robot: str
    joints: tuple[str, ...]
    hz: float
    lengths: npt.NDArray[np.int64]
    qpos: Doubles
    qvel: Doubles
    actions: Floats | None = None
    observations: Floats | None = None
    layout: Mapping[str, slice] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (np.isfinite(self.hz) and self.hz > 0):
            raise DataError(f"the rate is {self.hz} Hz, and a rate is above 0")
        if self.lengths.ndim != 1 or not len(self.lengths) or self.lengths.dtype != np.int64:
            raise DataError("there is no trajectory")
        if (self.lengths < SHORTEST).any():
            number = int(np.argmax(self.lengths < SHORTEST))
            frames = int(self.lengths[number])
            raise DataError(f"trajectory {number} has {frames} frame{'s' * (frames != 1)}, and a transition needs two")
        for name, dtype in _ARRAYS.items():
            array = getattr(self, name)
            if array is not None:
                self._check(name, array, dtype)
        if self.actions is not None and self.actions.shape[1] != len(self.joints):
            raise DataError(f"actions have {self.actions.shape[1]} entries for {len(self.joints)} joints")
        if self.actions is not None and np.abs(self.actions).max() > 1:
            raise DataError("an action lies outside of [-1, 1]")

    def _check(self, name: str, array: npt.NDArray[Any], dtype: npt.DTypeLike) -> None:
        rows = int(self.lengths.sum())
        if array.dtype != dtype or array.ndim != 2 or len(array) != rows:
            raise DataError(f"{name} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} with {rows} rows")
        finite = np.isfinite(array).all(axis=1)
        if not finite.all():
            raise DataError(f"{name} is not finite in row {int(np.argmin(finite))}")
        small = (np.abs(array) < LARGEST).all(axis=1)
        if not small.all():
            raise DataError(f"{name} has numbers beyond {LARGEST:g} in row {int(np.argmin(small))}")

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def rows(self) -> int:
        """Rows of all trajectories."""
        return int(self.lengths.sum())

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """int64 (n,), the first row of each trajectory."""
        starts: npt.NDArray[np.int64] = np.cumsum(self.lengths) - self.lengths
        return starts

    @property
    def seconds(self) -> float:
        """Duration of all trajectories, s."""
        return (self.rows - len(self)) / self.hz

    @property
    def speed(self) -> float:
        """Mean forward speed of the root over all trajectories, m/s."""
        ends = self.starts + self.lengths - 1
        return float((self.qpos[ends, 0] - self.qpos[self.starts, 0]).sum() / self.seconds)

    def stride(self, hz: float) -> int:
        """Rows from a state to the next one at another rate.

        Raises:
            DataError: the rate of the rows is no multiple of it.
        """
        ratio = self.hz / hz
        if round(ratio) < 1 or abs(ratio - round(ratio)) > 1e-6:
            raise DataError(
                f"the demonstrations have {self.hz:g} rows per second, which is no multiple of {hz:g}",
                f"make them at another rate: nil demos make ... --hz {hz * max(1, round(100 / hz)):g}",
            )
        return round(ratio)

    def pairs(self, stride: int = 1) -> npt.NDArray[np.int64]:
        """int64 (m,), every row r for which row r + stride is of the same trajectory.

        Raises:
            DataError: no trajectory is that long.
        """
        firsts = [
            np.arange(start, start + length - stride) for start, length in zip(self.starts, self.lengths, strict=True)
        ]
        rows: npt.NDArray[np.int64] = np.concatenate(firsts).astype(np.int64)
        if not len(rows):
            raise DataError(
                f"no trajectory is longer than {stride / self.hz:g} s, the time of one transition",
                "take a longer recording",
            )
        return rows

    def trajectory(self, number: int) -> Demonstrations:
        """One trajectory alone."""
        first = int(self.starts[number])
        return self._of(slice(first, first + int(self.lengths[number])), self.lengths[number : number + 1])

    def _of(self, rows: slice, lengths: npt.NDArray[np.int64]) -> Demonstrations:
        arrays: dict[str, Any] = {
            name: None if getattr(self, name) is None else getattr(self, name)[rows] for name in _ARRAYS
        }
        return Demonstrations(
            self.robot, self.joints, self.hz, lengths, **arrays, layout=self.layout, provenance=self.provenance
        )


_ARRAYS: Mapping[str, npt.DTypeLike] = {
    "qpos": np.float64,
    "qvel": np.float64,
    "actions": np.float32,
    "observations": np.float32,
}
"""Arrays with a row for each state, and their types."""


ACTION_FACTS = ("actions_about", "control")
"""Keys of the provenance that say what actions mean."""


def joined(parts: Sequence[Demonstrations]) -> Demonstrations:
    """Demonstrations of one robot, rate and kind as one set; the provenance is a list of theirs, and what actions mean.

    Raises:
        DataError: they differ.
    """
    first = parts[0]
    for part in parts[1:]:
        for name in ("robot", "joints", "hz", "layout"):
            if getattr(part, name) != getattr(first, name):
                raise DataError(f"demonstrations of another {name} cannot be joined", "make one file for each")
    arrays: dict[str, Any] = {}
    for name in _ARRAYS:
        columns = [getattr(part, name) for part in parts]
        arrays[name] = None if any(column is None for column in columns) else np.concatenate(columns)
    facts = {} if arrays["actions"] is None else _action_facts(parts)
    origins = [dict(each) for part in parts for each in part.provenance.get("parts", [part.provenance])]
    return Demonstrations(
        first.robot,
        first.joints,
        first.hz,
        np.concatenate([part.lengths for part in parts]),
        **arrays,
        layout=first.layout,
        provenance={**facts, "parts": origins},
    )


def _action_facts(parts: Sequence[Demonstrations]) -> dict[str, Any]:
    """What the actions of all parts mean.

    Raises:
        DataError: they differ.
    """
    facts = [{key: part.provenance[key] for key in ACTION_FACTS if key in part.provenance} for part in parts]
    if any(each != facts[0] for each in facts):
        raise DataError("demonstrations whose actions mean something else cannot be joined", "make one file for each")
    return facts[0]
