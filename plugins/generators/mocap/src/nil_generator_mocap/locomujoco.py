"""LocoMuJoCo's files of version 0.4: an array for every joint, and six of the root."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from nil_core.api import DataError, Doubles
from nil_generator_mocap.layouts import LAYOUTS, Raw

ROOT_SUFFIXES = ("tx", "ty", "tz", "tilt", "list", "rotation")
ROOTS = ("pelvis", "trunk")
USUAL_RATE = 500.0  # Hz


def is_version_04(arrays: Mapping[str, Doubles]) -> bool:
    """Whether these are a file's arrays of version 0.4."""
    return any(f"q_{root}_tx" in arrays for root in ROOTS)


def lay_out_04(path: Path, arrays: Mapping[str, Doubles], rate: float | None) -> Raw:
    """A recording of version 0.4.

    Raises:
        DataError: it lacks a part of the root, or the joints differ in length.
    """
    motions = {name.removeprefix("q_"): array for name, array in arrays.items() if name.startswith("q_")}
    root = next(root for root in ROOTS if f"{root}_tx" in motions)
    names = [f"{root}_{suffix}" for suffix in ROOT_SUFFIXES]
    if missing := [name for name in names if name not in motions]:
        raise DataError(f"{path.name} lacks the root's {', '.join(missing)}", "take another recording")
    if len({array.shape for array in motions.values()}) > 1 or motions[names[0]].ndim != 1:
        raise DataError(f"the joints in {path.name} differ in length", "take another recording")
    tx, ty, tz, tilt, roll, rotation = (motions.pop(name) for name in names)
    if root == "pelvis":  # OpenSim's axes: y up, z sideways
        position = np.stack([tx, tz, ty], axis=1)
        turned = Rotation.from_euler("YXZ", np.stack([-tilt, roll, rotation], axis=1))
    else:
        position = np.stack([tx, ty, tz], axis=1)
        turned = Rotation.from_euler("XYZ", np.stack([roll, tilt, rotation], axis=1))
    joints = np.stack(list(motions.values()), axis=1) if motions else np.empty((len(tx), 0))
    quaternions = turned.as_quat(scalar_first=True)
    splits = arrays.get("split_points")
    return Raw(LAYOUTS[0], position, quaternions, joints, tuple(motions), rate or USUAL_RATE, splits=splits)
