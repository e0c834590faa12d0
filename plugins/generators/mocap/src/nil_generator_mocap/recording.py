"""A recording with nothing left open: the motion of a root and of named joints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nil_core.api import DataError, Doubles
from nil_generator_mocap.files import read_arrays
from nil_generator_mocap.laying_out import lay_out, wanted
from nil_generator_mocap.layouts import Raw
from nil_generator_mocap.locomujoco import is_version_04, lay_out_04

SHORTEST = 3  # samples


@dataclass(frozen=True)
class Recording:
    """A motion as it was recorded, n samples.

    Attributes:
        position: float64 (n, 2) m, the root on the ground plane; x is forward in LocoMuJoCo's version 0.4.
        orientation: float64 (n, 4) quaternions of the root, w first, without jumps of sign.
        joints: name in the recording to float64 (n,) rad.
        rate: samples per second.
    """

    position: Doubles
    orientation: Doubles
    joints: Mapping[str, Doubles]
    rate: float


def read_raw(path: Path, piece: int = 0, start: float = 0.0, rate: float | None = None, clip: str | None = None) -> Raw:
    """Read one piece of a recording, as its file has it.

    Args:
        path: of any layout in :data:`nil_generator_mocap.layouts.LAYOUTS`, or of LocoMuJoCo's version 0.4.
        piece: which of those between the file's ``split_points``.
        start: s to leave out at the beginning of the piece.
        rate: Hz, where the file does not say.
        clip: which clip of a file that holds several.

    Raises:
        DataError: missing, no recording, pickled, not finite, without a rate, or too short.
    """
    arrays = read_arrays(path, wanted, clip)
    raw = lay_out_04(path, arrays, rate) if is_version_04(arrays) else lay_out(path, arrays, rate)
    return _cut(path, raw, piece, start)


def continuous(quaternions: Doubles) -> Doubles:
    """The same rotations (n, 4) with signs that never jump, so that they can be interpolated."""
    flips = np.sign((quaternions[1:] * quaternions[:-1]).sum(axis=-1))
    return quaternions * np.cumprod(np.concatenate([[1.0], np.where(flips < 0, -1.0, 1.0)]))[:, None]


def _cut(path: Path, raw: Raw, piece: int, start: float) -> Raw:
    samples = len(raw.position)
    if samples < SHORTEST:
        raise DataError(
            f"{path.name} has {samples} sample{'' if samples == 1 else 's'}, and a motion needs {SHORTEST} or more",
            "take a longer recording",
        )
    bounds = [0, samples] if raw.splits is None else [int(split) for split in np.ravel(raw.splits)]
    if len(bounds) < 2 or bounds[0] < 0 or bounds[-1] > samples or bounds != sorted(bounds):
        raise DataError(f"the split_points in {path.name} do not fit its {samples} samples", "take another recording")
    if piece > len(bounds) - 2:
        raise DataError(
            f"{path.name} has no piece {piece}", f"it has {len(bounds) - 1}: --set generator.piece={len(bounds) - 2}"
        )
    first, last = bounds[piece] + round(start * raw.rate), bounds[piece + 1]
    if last - first < SHORTEST:
        length = (last - bounds[piece]) / raw.rate
        raise DataError(
            f"nothing is left of piece {piece} of {path.name} after {start:g} s: it lasts {length:g} s",
            f"start earlier: --set generator.start={length / 2:.2g}",
        )
    part = slice(first, last)
    bodies = None if raw.bodies is None else raw.bodies[part]
    return replace(
        raw, position=raw.position[part], rotation=raw.rotation[part], joints=raw.joints[part], bodies=bodies
    )
