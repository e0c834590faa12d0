"""Finds in a file's arrays what its layout says: the root's position and rotation, the joints, the rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from nil_core.api import DataError, Doubles
from nil_generator_mocap.files import COLUMNS, TABLE, Arrays, some
from nil_generator_mocap.layouts import (
    EULER,
    HEADERS,
    LAYOUTS,
    NUMBERS,
    RADIANS,
    TIMES,
    VECTOR,
    WXYZ,
    XYZW,
    Layout,
    Part,
    Raw,
)


def wanted(name: str) -> bool:
    """Whether an array of this name matters to any layout."""
    known = {key for layout in LAYOUTS for key in (*layout.keys, *layout.names, layout.rate, layout.step)}
    return name in known | {"split_points", "poses", "betas"} or name.startswith("q_")


def lay_out(path: Path, arrays: Arrays, rate: float | None) -> Raw:
    """What a file holds, by the first row of :data:`LAYOUTS` whose names it has.

    Args:
        path: for messages.
        arrays: of the file.
        rate: Hz, where the file does not say.

    Raises:
        DataError: no known layout, arrays that do not fit each other, or no rate.
    """
    if COLUMNS in arrays:
        return _by_header(path, arrays, rate)
    layout = next((row for row in LAYOUTS if all(key in arrays for key in row.keys)), None)
    if layout is None:
        raise _unknown(path, arrays)
    position, rotation, joints = (
        _part(path, arrays, part) for part in (layout.position, layout.rotation, layout.joints)
    )
    names = next((tuple(map(str, np.ravel(arrays[key]))) for key in layout.names if key in arrays), None)
    if layout.settled:
        if names is None:
            raise DataError(f"{path.name} has qpos but no joint_names", "take another recording")
        names = names[1:]  # the first is the root's
    bodies = arrays.get(layout.bodies) if layout.bodies else None
    hertz, usual = _rate(path, layout, arrays, rate)
    raw = Raw(layout, position, rotation, joints, names, hertz, usual, bodies, arrays.get("split_points"))
    return checked(path, raw)


def checked(path: Path, raw: Raw) -> Raw:
    """A raw recording whose arrays fit each other.

    Raises:
        DataError: they do not.
    """
    wide = 4 if raw.layout.turns[0] in (WXYZ, XYZW) else 3
    for what, array, width in (("position", raw.position, 3), ("rotation", raw.rotation, wide)):
        if array.shape[1] != width:
            raise DataError(
                f"the root's {what} in {path.name} has {array.shape[1]} columns, not {width}",
                f"in a file of {raw.layout.writer} come the root's position, its rotation, then the joints",
            )
    lengths = {len(raw.position), len(raw.rotation), len(raw.joints)}
    if len(lengths) > 1:
        raise DataError(
            f"the root and the joints in {path.name} have {' and '.join(map(str, sorted(lengths)))} samples",
            "take another recording",
        )
    count = raw.joints.shape[1]
    if raw.names is not None and len(raw.names) != count:
        raise DataError(
            f"{path.name} names {len(raw.names)} joints and has {count} columns of them",
            "a recording has the root's free joint, and all other joints are hinges",
        )
    if wide == 4 and (np.linalg.norm(raw.rotation, axis=1) < 0.5).any():
        raise DataError(
            f"{path.name} has quaternions of length 0",
            f"in a file of {raw.layout.writer} the root turns by quaternions",
        )
    return raw


def _part(path: Path, arrays: Arrays, part: Part) -> Doubles:
    array = arrays[part.key]
    if array.ndim == 3 and array.shape[1]:
        array = array[:, 0]  # of several bodies, the root
    if array.ndim != 2:
        raise DataError(
            f"{part.key} in {path.name} has the shape {array.shape}, not samples by columns", "take another recording"
        )
    columns: Doubles = array[:, part.start : part.stop]
    return columns


def _rate(path: Path, layout: Layout, arrays: Arrays, rate: float | None) -> tuple[float, bool]:
    key = layout.rate or layout.step
    if key and key in arrays:
        said = float(arrays[key].item()) if arrays[key].size == 1 else 0.0
        if said <= 0:
            raise DataError(f"the {key} in {path.name} is not a positive number", "take another recording")
        return (1 / said if key == layout.step else said), False
    if rate:
        return rate, False
    if layout.usual_rate:
        return layout.usual_rate, True
    raise DataError(
        f"{path.name} does not say how many samples a second has: it lacks {key}",
        "say it in Hz: --set generator.rate=30",
    )


def _unknown(path: Path, arrays: Arrays) -> DataError:
    if "poses" in arrays:
        return DataError(
            f"{path.name} is the motion of a human body (SMPL, as in AMASS), not of a robot",
            "retarget it to the robot first, for example with GMR or PHC, and take what they write",
        )
    nearest = max(LAYOUTS, key=lambda row: sum(key in arrays for key in row.keys))
    lacking = [key for key in nearest.keys if key not in arrays]
    if len(lacking) < len(nearest.keys):
        return DataError(
            f"{path.name} looks like a file of {nearest.writer} and lacks {some(lacking)}", "take another recording"
        )
    return DataError(
        f"{path.name} is no recording that mocap knows: none of its arrays is one of a robot's root or joints",
        f"it reads files of {'; '.join(row.writer for row in LAYOUTS)}",
    )


def _by_header(path: Path, arrays: Arrays, rate: float | None) -> Raw:
    table, names = arrays[TABLE], [str(name).lower() for name in arrays[COLUMNS]]
    if doubled := [name for name in names if names.count(name) > 1]:
        raise DataError(f"{path.name} has two columns {doubled[0]}", "name every column once")
    header = next((row for row in HEADERS if set(row.position + row.rotation) <= set(names)), None)
    if header is None:
        known = "; ".join(some(row.position + row.rotation) for row in HEADERS[:2])
        raise DataError(
            f"the header of {path.name} does not name a root's position and rotation: {some(names)}",
            f"name them, for example {known}; or take the header away, for x y z, a quaternion and the joints",
        )
    timed = next((name for name in names if name in TIMES and name not in header.position), None)
    if timed:
        steps = np.diff(table[:, names.index(timed)])
        if not len(steps) or (steps <= 0).any():
            raise DataError(f"the column {timed} of {path.name} does not grow", "take another recording")
        rate = float(1 / np.median(steps))
    root = {*header.position, *header.rotation, timed, *NUMBERS}
    joints = [name for name in names if name not in root]
    layout = Layout(
        header.writer,
        Part(TABLE),
        Part(TABLE),
        Part(TABLE),
        step="column of time",
        turns=(VECTOR if header.turn == EULER else header.turn,),
        length=header.length,
        angle=header.angle,
    )

    def columns(chosen: tuple[str, ...] | list[str]) -> Doubles:
        found: Doubles = table[:, [names.index(name) for name in chosen]]
        return found

    position, rotation = columns(header.position), columns(header.rotation)
    if header.turn == EULER:
        rotation = Rotation.from_euler("xyz", rotation * RADIANS[header.angle]).as_rotvec()
    found = Raw(layout, position, rotation, columns(joints), tuple(joints), *_rate(path, layout, {}, rate))
    return checked(path, found)
