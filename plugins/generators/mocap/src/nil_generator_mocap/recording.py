"""Reads LocoMuJoCo's npz files, of version 0.4 and of version 1. Nothing is ever unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from struct import error as StructError
from zipfile import BadZipFile, is_zipfile
from zlib import error as ZlibError

import numpy as np
from scipy.spatial.transform import Rotation

from nil_core.api import DataError, Doubles

ROOT_SUFFIXES = ("tx", "ty", "tz", "tilt", "list", "rotation")
SHORTEST = 3  # samples
DAMAGED = (OSError, EOFError, ValueError, KeyError, RuntimeError, BadZipFile, StructError, ZlibError)


@dataclass(frozen=True)
class Recording:
    """A motion as it was recorded, n samples.

    Attributes:
        position: float64 (n, 2) m, the root on the ground plane; x is forward in version 0.4.
        orientation: float64 (n, 4) quaternions of the root, w first, without jumps of sign.
        joints: name in the recording to float64 (n,) rad.
        rate: samples per second.
    """

    position: Doubles
    orientation: Doubles
    joints: Mapping[str, Doubles]
    rate: float


def read_recording(path: Path, piece: int = 0, start: float = 0.0, rate: float = 500.0) -> Recording:
    """Read one piece of a recording.

    Args:
        path: npz with an array ``q_<joint>`` per joint and six for the root (version 0.4), or with ``qpos``,
            ``joint_names`` and ``frequency``, the root's free joint first (version 1).
        piece: which of those between the file's ``split_points``.
        start: s to leave out at the beginning of the piece.
        rate: Hz, where the file does not say (version 0.4).

    Raises:
        DataError: missing, not such a file, pickled, not finite, or too short.
    """
    arrays = _load(path)
    if "qpos" in arrays:
        recording = _version_1(path, arrays)
    elif any(f"q_{root}_tx" in arrays for root in ("pelvis", "trunk")):
        recording = _version_04(path, arrays, rate)
    else:
        raise DataError(
            f"{path.name} is no recording of LocoMuJoCo: it has neither qpos nor q_pelvis_tx nor q_trunk_tx",
            f"its arrays: {_some(arrays)}",
        )
    return _cut(path, recording, arrays.get("split_points"), piece, start)


def continuous(quaternions: Doubles) -> Doubles:
    """The same rotations (n, 4) with signs that never jump, so that they can be interpolated."""
    flips = np.sign((quaternions[1:] * quaternions[:-1]).sum(axis=-1))
    return quaternions * np.cumprod(np.concatenate([[1.0], np.where(flips < 0, -1.0, 1.0)]))[:, None]


def _load(path: Path) -> dict[str, Doubles]:
    hint = "name a recording of LocoMuJoCo: --set generator.path=walk.npz"
    if not path.is_file():
        raise DataError(f"there is no recording {path}", hint)
    if not is_zipfile(path):
        raise DataError(f"{path.name} is not an npz file", hint)
    wanted = ("q_", "qpos", "joint_names", "frequency", "split_points")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: _plain(path, name, archive) for name in archive.files if name.startswith(wanted)}
    except DAMAGED as error:
        raise DataError(f"{path.name} is damaged: {type(error).__name__}", hint) from error


def _plain(path: Path, name: str, archive: np.lib.npyio.NpzFile) -> Doubles:
    try:
        array = archive[name]
    except ValueError as error:
        raise DataError(
            f"{name} in {path.name} is pickled or damaged, and nil unpickles nothing",
            "load it where you trust it and save its qpos, joint_names and frequency as plain arrays with numpy.savez",
        ) from error
    if name == "joint_names":
        return array
    if array.dtype.kind not in "iuf":
        raise DataError(f"{name} in {path.name} holds {array.dtype}, not numbers", "take another recording")
    if not np.isfinite(array).all():
        raise DataError(
            f"{name} in {path.name} has NaN or infinity at sample {int(np.argwhere(~np.isfinite(array))[0, 0])}"
            if array.ndim
            else f"{name} in {path.name} is NaN or infinity",
            "take another piece or another recording",
        )
    return array.astype(float)


def _version_04(path: Path, arrays: Mapping[str, Doubles], rate: float) -> Recording:
    motions = {name.removeprefix("q_"): array for name, array in arrays.items() if name.startswith("q_")}
    root = "pelvis" if "pelvis_tx" in motions else "trunk"
    names = [f"{root}_{suffix}" for suffix in ROOT_SUFFIXES]
    if missing := [name for name in names if name not in motions]:
        raise DataError(f"{path.name} lacks the root's {', '.join(missing)}", "take another recording")
    if len({array.shape for array in motions.values()}) > 1 or motions[names[0]].ndim != 1:
        raise DataError(f"the joints in {path.name} differ in length", "take another recording")
    tx, ty, tz, tilt, roll, rotation = (motions.pop(name) for name in names)
    if root == "pelvis":  # OpenSim's axes: y up, z sideways
        position = np.stack([tx, tz], axis=1)
        turned = Rotation.from_euler("YXZ", np.stack([-tilt, roll, rotation], axis=1))
    else:
        position = np.stack([tx, ty], axis=1)
        turned = Rotation.from_euler("XYZ", np.stack([roll, tilt, rotation], axis=1))
    return Recording(position, continuous(turned.as_quat(scalar_first=True)), motions, rate)


def _version_1(path: Path, arrays: Mapping[str, Doubles]) -> Recording:
    if missing := [name for name in ("joint_names", "frequency") if name not in arrays]:
        raise DataError(f"{path.name} has qpos but no {' or '.join(missing)}", "take another recording")
    qpos, names = arrays["qpos"], [str(name) for name in np.atleast_1d(arrays["joint_names"])]
    rate = float(arrays["frequency"].item()) if arrays["frequency"].size == 1 else 0.0
    if rate <= 0:
        raise DataError(f"the frequency in {path.name} is not a positive number", "take another recording")
    hinges = names[1:]
    if qpos.ndim != 2 or qpos.shape[1] != 7 + len(hinges):
        raise DataError(
            f"{path.name} has qpos of shape {qpos.shape} for {len(names)} joints, not (n, {7 + len(hinges)})",
            "a recording begins with the root's free joint, and all others are hinges",
        )
    norms = np.linalg.norm(qpos[:, 3:7], axis=1, keepdims=True)
    if (norms < 0.5).any():
        raise DataError(f"{path.name} has quaternions of length 0", "a free joint is x y z, then w x y z")
    joints = dict(zip(hinges, qpos[:, 7:].T, strict=True))
    return Recording(qpos[:, :2], continuous(qpos[:, 3:7] / norms), joints, rate)


def _cut(path: Path, recording: Recording, splits: Doubles | None, piece: int, start: float) -> Recording:
    samples = len(recording.position)
    bounds = [0, samples] if splits is None else [int(split) for split in np.ravel(splits)]
    if len(bounds) < 2 or bounds[0] < 0 or bounds[-1] > samples or bounds != sorted(bounds):
        raise DataError(f"the split_points in {path.name} do not fit its {samples} samples", "take another recording")
    if piece > len(bounds) - 2:
        raise DataError(
            f"{path.name} has no piece {piece}", f"it has {len(bounds) - 1}: --set generator.piece={len(bounds) - 2}"
        )
    first, last = bounds[piece] + round(start * recording.rate), bounds[piece + 1]
    if last - first < SHORTEST:
        length = (last - bounds[piece]) / recording.rate
        raise DataError(
            f"nothing is left of piece {piece} of {path.name} after {start:g} s: it lasts {length:g} s",
            f"start earlier: --set generator.start={length / 2:.2g}",
        )
    part = slice(first, last)
    joints = {name: angles[part] for name, angles in recording.joints.items()}
    return Recording(recording.position[part], recording.orientation[part], joints, recording.rate)


def _some(names: Mapping[str, Doubles]) -> str:
    return ", ".join(list(names)[:8]) or "none of positions"
