"""Decides how a recording is to be read where its file leaves that open, and says why.

Quaternions in two orders, three ways of axes and joints in several orders make many readings of one file. Readings that
the motion contradicts are dropped, one kind of evidence after the other: the robot stands upright, its root is about as
high as in its stand, its bodies lie where the file says, its joints stay within their ranges, the foot that it stands
on does not slide. What is left must be one reading, or the user has to say which.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from nil_core.api import DataError, Scene
from nil_generator_mocap import MocapOptions
from nil_generator_mocap.evidence import Body
from nil_generator_mocap.layouts import METERS, WXYZ, XYZW, Raw
from nil_generator_mocap.orders import Order
from nil_generator_mocap.possible_orders import known_orders, possible_orders
from nil_generator_mocap.reading import UPS, Reading, orientation, position, recorded
from nil_generator_mocap.recording import Recording

_log = logging.getLogger("nil.plugins.generator.mocap")

HEIGHTS = 0.4, 1.8  # of the stand's, in which the median of a root's height lies
LYING = 60.0  # degrees from upright, mean over a recording
FASTEST = 20.0  # m/s, mean of a root
WITHIN = 0.35  # rad, mean by which a joint may leave its range: other revisions of a robot have other ranges
MANY = 0.2  # of the joints


def resolve(path: Path, raw: Raw, scene: Scene, options: MocapOptions) -> tuple[Recording, dict[str, Any]]:
    """A recording as it is to be read, and how that is, as JSON values.

    Args:
        path: for messages.
        raw: from :func:`nil_generator_mocap.recording.read_raw`.
        scene: of the robot that was recorded.
        options: what the user says of it.

    Raises:
        DataError: it is of another robot, fits no reading, or more than one.
    """
    if raw.layout.settled:
        reading = Reading(raw.layout.turns[0], "z", None)
        return recorded(raw, reading), {"layout": raw.layout.writer, "rate": raw.rate}
    search = _Search(path, raw, scene, options)
    reading = search.find()
    facts = {
        "layout": raw.layout.writer,
        "rate": raw.rate,
        "quaternion": reading.turn,
        "up": reading.up,
        "order": reading.order.name if reading.order else "by name",
        "length_unit": reading.length,
        "angle_unit": reading.angle,
        "why": search.why,
    }
    _log.info(
        f"{path.name}: {raw.layout.writer}, {len(raw.position)} samples at {raw.rate:g} Hz, read as {reading.turn}, "
        f"{reading.up} up, joints {'in the order ' + reading.order.name if reading.order else 'by name'}, "
        f"{reading.length} and {reading.angle}: {'; '.join(search.why)}"
    )
    return recorded(raw, reading), facts


class _Search:
    """Drops readings until one is left; ``why`` says what for."""

    def __init__(self, path: Path, raw: Raw, scene: Scene, options: MocapOptions) -> None:
        self.path, self.raw, self.scene, self.options = path, raw, scene, options
        self.body = Body(scene)
        self.why = [f"{raw.rate:g} Hz as usual in such files"] if raw.rate_is_usual else []

    def find(self) -> Reading:
        readings = [
            Reading(turn, up, order)
            for turn, up, order in product(
                self._turns(), self._ups(), possible_orders(self.path, self.raw, self.scene, self.options.order)
            )
        ]
        readings = self._keep(readings, self._tilt, 0.0, 25.0, "degrees from upright")
        self._demand_upright(readings)
        readings = self._with_lengths(readings)
        if self.raw.bodies is not None:
            readings = self._keep(readings, self._misplaced, 1.5, 0.005, "m from the bodies in the file")
        readings = self._with_angles(readings)
        readings = self._keep(readings, self._slide, 1.5, 0.1, "m/s that the standing foot slides")
        readings = self._documented(readings)
        if len(readings) > 1:
            raise self._ambiguous(readings)
        return readings[0]

    def _documented(self, readings: list[Reading]) -> list[Reading]:
        """Of readings that differ in the up axis, and in nothing else that matters, those with z up: all write that."""
        upright = [reading for reading in readings if reading.up == UPS[0]]
        if upright and len(upright) < len(readings):
            self.why.append("z up, as every writer has it")
        return upright or readings

    def _demand_upright(self, readings: list[Reading]) -> None:
        tilt = min(map(self._tilt, readings))
        if tilt > LYING and "auto" in (self.options.quaternion, self.options.up):
            raise DataError(
                f"the robot of {self.path.name} stands upright in no reading: it is {tilt:.0f} degrees from it at best",
                "a motion on the ground is read as said: "
                f"--set generator.quaternion={readings[0].turn if readings[0].turn in (WXYZ, XYZW) else XYZW} "
                "--set generator.up=z",
            )

    def _turns(self) -> tuple[str, ...]:
        turns, asked = self.raw.layout.turns, self.options.quaternion
        if asked == "auto" or turns[0] not in (WXYZ, XYZW):
            self.why += ["the root's rotation as the file's names say"] if len(turns) == 1 else []
            return turns
        self.why.append(f"{asked} as asked")
        return (asked,)

    def _ups(self) -> tuple[str, ...]:
        return {"auto": UPS, "z": UPS[:1], "y": UPS[1:]}[self.options.up]

    def _keep(
        self,
        readings: list[Reading],
        score: Callable[[Reading], float],
        factor: float,
        margin: float,
        what: str,
    ) -> list[Reading]:
        """Readings whose score, smaller is better, is nearly that of the best."""
        if len(readings) < 2:
            return readings
        scores = {reading: score(reading) for reading in readings}
        best = min(scores.values())
        kept = [reading for reading in readings if scores[reading] <= max(factor * best, best + margin)]
        dropped = [reading for reading in readings if reading not in kept]
        if told := _differences(kept, dropped):
            nearest = min(scores[reading] for reading in dropped)
            self.why.append(f"{told}: {best:.2f} {what}, else {nearest:.2f} or more")
        return kept

    def _tilt(self, reading: Reading) -> float:
        up = orientation(self.raw, reading).apply([0.0, 0.0, 1.0])[:, 2]
        return float(np.degrees(np.arccos(np.clip(up, -1, 1))).mean())

    def _with_lengths(self, readings: list[Reading]) -> list[Reading]:
        """Each with the unit in which its root is as high as the robot's; those without one only if all are."""
        said = self.raw.layout.length if self.options.length_unit == "auto" else self.options.length_unit
        units = tuple(METERS) if said == "auto" else (said,)
        tall = [replace(reading, length=unit) for reading in readings for unit in units]
        stand = self.body.height
        fits = [
            one for one in tall if HEIGHTS[0] < np.median(position(self.raw.position, one)[:, 2]) / stand < HEIGHTS[1]
        ]
        if fits:
            if told := _differences(fits, [one for one in tall if one not in fits]):
                height = float(np.median(position(self.raw.position, fits[0])[:, 2]))
                self.why.append(f"{told}: the root is {height:.2g} m high, {stand:.2g} m in the stand")
            return fits
        kept = [replace(reading, length=units[0]) for reading in readings]
        speed = min(
            float(np.linalg.norm(np.diff(position(self.raw.position, one), axis=0), axis=1).mean()) for one in kept
        )
        if said == "auto" and speed * self.raw.rate > FASTEST:
            raise DataError(
                f"the root in {self.path.name} goes at {speed * self.raw.rate:.3g} m/s if its positions are in m",
                "say their unit: --set generator.length_unit=mm",
            )
        if said == "auto":
            self.why.append("m, for want of a height to tell")
        return kept

    def _with_angles(self, readings: list[Reading]) -> list[Reading]:
        """Each with the unit of its joints; those whose joints leave their ranges only if the user said the unit."""
        read = [replace(reading, angle=self._angle_unit(reading)) for reading in readings]
        if self.options.angle_unit != "auto":
            return read
        worst = {reading: max(self._beyond(reading)) for reading in read}
        fits = [reading for reading, (excess, _) in worst.items() if excess <= WITHIN]
        if not fits:
            excess, joint = min(worst.values())
            others = [] if self.raw.names else self._other_orders(readings)
            raise DataError(
                f"in {self.path.name} the joint {joint} of {self.scene.spec.name} is {excess:.2g} rad beyond its range",
                f"its joints may be in another order: --set generator.order={others[0]}"
                if others
                else "take a recording of the same robot; or say the joints' unit: --set generator.angle_unit=rad",
            )
        if fits[0].angle == "deg" and self.raw.layout.angle == "auto":
            self.why.append(f"angles in deg: they reach {np.abs(self.raw.joints).max():.0f}, beyond any range in rad")
        if told := _differences(fits, [reading for reading in read if reading not in fits]):
            self.why.append(f"{told}: the joints stay within their ranges")
        return fits

    def _angle_unit(self, reading: Reading) -> str:
        """Degrees where numbers are beyond a full turn and many joints would leave their ranges in radians."""
        said = self.raw.layout.angle if self.options.angle_unit == "auto" else self.options.angle_unit
        if said != "auto" or np.abs(self.raw.joints).max() <= 2 * np.pi:
            return said if said != "auto" else "rad"
        beyond = [excess > WITHIN for excess, _ in self._beyond(reading)]
        degrees = max(self._beyond(replace(reading, angle="deg")))[0]
        return "deg" if np.mean(beyond) >= MANY and degrees <= WITHIN else "rad"

    def _beyond(self, reading: Reading) -> list[tuple[float, str]]:
        return self.body.beyond_ranges(recorded(self.raw, reading).joints)

    def _other_orders(self, readings: list[Reading]) -> list[str]:
        """Names of orders that nobody documents for such files, and in which the joints stay within their ranges."""
        count = self.raw.joints.shape[1]
        others = [replace(readings[0], order=row) for row in known_orders(self.scene) if len(row.joints) == count]
        return [one.order.name for one in others if one.order and max(self._beyond(one))[0] <= WITHIN]

    def _misplaced(self, reading: Reading) -> float:
        """M, mean distance of the robot's bodies from those of the file; 0 where they cannot be compared."""
        assert self.raw.bodies is not None
        one = self.body.sampled(len(self.raw.position))
        angles = {name: joint[one] for name, joint in recorded(self.raw, reading).joints.items()}
        poses = self.body.poses(
            position(self.raw.position, reading)[one],
            orientation(self.raw, reading).as_quat(scalar_first=True)[one],
            angles,
        )
        order = reading.order.name if reading.order else self.raw.layout.orders[0]
        return self.body.misplaced(poses, position(self.raw.bodies, reading)[one], isaac=order == "isaac")

    def _slide(self, reading: Reading) -> float:
        recording = recorded(self.raw, reading)
        where = position(self.raw.position, reading)
        return self.body.slide(where, recording.orientation, recording.joints, self.raw.rate)

    def _ambiguous(self, readings: list[Reading]) -> DataError:
        open_options = _open(readings)
        ways = [f"{what} {' or '.join(values)}" for what, _, values in open_options]
        said = " ".join(f"--set generator.{option}={values[0]}" for _, option, values in open_options)
        if orders := _first_difference([reading.order for reading in readings if reading.order]):
            ways.append(orders)
        documented = [option for _, option, _ in open_options] == ["quaternion"] and len(self.raw.layout.turns) > 1
        return DataError(
            f"{self.path.name} can be read in {len(readings)} ways, and the motion does not tell which: "
            f"{'; '.join(ways)}",
            f"say it; in files of {self.raw.layout.writer} it is: {said}" if documented else f"say it: {said}",
        )


def _first_difference(orders: Sequence[Order]) -> str:
    """Where orders of joints part."""
    for i, joints in enumerate(zip(*(order.joints for order in orders), strict=True)):
        if len(set(joints)) > 1:
            said = (f"{joint} in {order.name}" for joint, order in zip(joints, orders, strict=True))
            return f"joint {i + 1} is {' and '.join(dict.fromkeys(said))}"
    return ""


def _open(readings: Sequence[Reading]) -> list[tuple[str, str, list[str]]]:
    """What readings differ in: words, option, values."""
    axes: Mapping[str, tuple[str, Callable[[Reading], str]]] = {
        "quaternion": ("quaternions", lambda one: one.turn),
        "up": ("up axis", lambda one: one.up[0]),
        "order": ("joints in the order", lambda one: one.order.name if one.order else ""),
        "length_unit": ("lengths in", lambda one: one.length),
        "angle_unit": ("angles in", lambda one: one.angle),
    }
    found = []
    for option, (what, value) in axes.items():
        values = list(dict.fromkeys(value(one) for one in readings))
        if len(values) > 1:
            found.append((what, option, values))
    return found


def _differences(kept: Sequence[Reading], dropped: Sequence[Reading]) -> str:
    """What is settled by dropping: the values that all kept readings share and that some dropped one has not."""
    told = []
    if not dropped:
        return ""
    for what, option, _ in _open([*kept, *dropped]):
        if not any(option == still for _, still, _ in _open(kept)):
            told.append(f"{what} {_value(kept[0], option)}")
    return ", ".join(told)


def _value(reading: Reading, option: str) -> str:
    order = reading.order.name if reading.order else ""
    values = {"quaternion": reading.turn, "up": reading.up, "order": order}
    return (values | {"length_unit": reading.length, "angle_unit": reading.angle})[option]
