"""Reference folders: written by ``nil generate``, and by every run for its own reference."""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from nil_core.errors import MachineError, RunError
from nil_core.reference.generated import GeneratedReference, pack, unpack
from nil_core.storage import digests
from nil_core.storage.atomic import check_names, read_arrays, write_arrays, write_json, write_text
from nil_core.storage.cache import Arrays
from nil_core.storage.os_errors import exists, explain_os_errors
from nil_core.types import Doubles, Frames, Masks, Motion, Reference
from nil_core.video.files import write_png, write_video

SOURCE, ALIGNED, PROVENANCE, MOTION = "source.npz", "aligned.npz", "provenance.json", "motion.json"

_SOURCE_ARRAYS = {"frames", "fps", "facts", "robot", "first_frame", "first_mask"}, {"masks", "trajectory", "crop_box"}
_ALIGNED_ARRAYS = (
    {"frames", "masks", "embeddings", "features", "tick_hz"},
    {"target_speed", "trajectory", "box_lags", "motion"},
)
"""Required, and optional."""

_log = logging.getLogger(__name__)


def save_generated(folder: Path, generated: GeneratedReference) -> None:
    """Write video and masks (mp4 to watch, npz exact), first frame, prompt and provenance."""
    video = generated.video
    write_png(folder / "first_frame.png", generated.first_frame)
    write_png(folder / "first_mask.png", generated.first_mask)
    write_text(folder / "prompt.txt", f"{generated.provenance['prompt']}\n")
    write_video(folder / "video.mp4", video.frames, video.fps)
    write_video(folder / "masks.mp4", _gray(generated.masks), video.fps)
    first = {"first_frame": generated.first_frame, "first_mask": generated.first_mask}
    write_arrays(folder / SOURCE, {**pack(video), "robot": generated.masks, **first})
    write_json(folder / PROVENANCE, generated.provenance)
    digests.record(folder, [SOURCE, PROVENANCE])


def load_generated(folder: Path) -> GeneratedReference:
    """Load what :func:`save_generated` wrote; also accepts a run folder.

    Raises:
        RunError: the folder contains no reference, or a damaged one.
        MachineError: it cannot be read or reached.
    """
    inner = folder / "reference"
    folder = inner if exists(inner / SOURCE) else folder
    if not exists(folder / SOURCE):
        reason = f"{SOURCE}: No such file or directory" if exists(folder) else "it does not exist"
        raise RunError(f"{folder} is not a reference folder ({reason})", "`nil generate` makes one")
    with _damage_named(folder, "`nil generate` makes another", (SOURCE, PROVENANCE)):
        arrays = _arrays(folder / SOURCE, _SOURCE_ARRAYS)
        video, (masks, frame, mask) = unpack(arrays), (arrays[k] for k in ("robot", "first_frame", "first_mask"))
        _check_pictures(SOURCE, video.frames, masks)
        _check_pictures(SOURCE, frame[None], mask[None])
        return GeneratedReference(video, masks, frame, mask, _json(folder / PROVENANCE))


@contextmanager
def _damage_named(folder: Path, remedy: str, names: tuple[str, ...]) -> Iterator[None]:
    """Compare files with their digests before the block reads them."""
    try:
        if not digests.verify(folder, names):
            _log.warning(
                "%s has no %s (nil 0.2 wrote none): damage to its files may go unnoticed", folder, digests.NAME
            )
        yield
    except MachineError:
        raise
    except Exception as error:  # a bad byte in a zip file is an error of as many types as there are bytes
        reason = " ".join(str(getattr(error, "message", error)).split())
        if exists(sealed := folder / digests.NAME):
            remedy += f"; if you changed it on purpose: rm {shlex.quote(str(sealed))}"
        raise RunError(f"the reference {folder} is damaged: {reason}", remedy) from None


def _arrays(path: Path, names: tuple[set[str], set[str]]) -> Arrays:
    with explain_os_errors(path, "read"):
        arrays = read_arrays(path)
    check_names(path, arrays, *names)
    return arrays


def _check_pictures(name: str, frames: Frames, masks: Masks) -> None:
    """Files without digests may hold anything."""
    pictures = frames.dtype == np.uint8 and frames.ndim == 4 and frames.shape[3] == 3 and 0 not in frames.shape
    if not pictures or masks.dtype != np.bool_ or masks.shape != frames.shape[:3]:
        raise ValueError(
            f"{name} holds pictures of {frames.dtype} {frames.shape} and masks of {masks.dtype} {masks.shape}"
        )


def _json(path: Path) -> Any:
    with explain_os_errors(path, "read"):
        text = path.read_text(encoding="utf-8")
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} contains no table")
    return value


def save_reference(folder: Path, reference: Reference) -> None:
    """Write the reference that a run learns from: exact arrays, provenance, and ``motion.json`` for the motion."""
    arrays = {
        "frames": reference.frames,
        "masks": reference.masks,
        "embeddings": reference.embeddings,
        "features": reference.features,
        "tick_hz": np.array(reference.tick_hz),
    }
    if reference.target_speed is not None:
        arrays["target_speed"] = np.array(reference.target_speed)
    if reference.trajectory is not None:
        arrays["trajectory"] = reference.trajectory
    if reference.box_lags is not None:
        arrays["box_lags"] = reference.box_lags
    if (motion := reference.motion) is not None:
        arrays["motion"] = motion.qpos
        save_motion(folder, motion)
    write_arrays(folder / ALIGNED, arrays)
    write_json(folder / PROVENANCE, reference.provenance)
    digests.record(folder, [ALIGNED, PROVENANCE])


def save_motion(folder: Path, motion: Motion) -> None:
    """Write the motion's report, source and trust to ``motion.json``."""
    write_json(folder / MOTION, {**motion.report, "source": motion.source, "trusted": motion.trusted})
    digests.record(folder, [MOTION])


def load_reference(folder: Path) -> Reference:
    """Load what :func:`save_reference` wrote.

    Raises:
        RunError: files are missing or damaged.
        MachineError: it cannot be read or reached.
    """
    with _damage_named(folder, "start a new run", (ALIGNED, PROVENANCE)):
        arrays = _arrays(folder / ALIGNED, _ALIGNED_ARRAYS)
        _check_pictures(ALIGNED, arrays["frames"], arrays["masks"])
        for name in ("embeddings", "features"):
            if arrays[name].ndim != 2 or len(arrays[name]) != len(arrays["frames"]):
                raise ValueError(
                    f"{ALIGNED} holds {name} of shape {arrays[name].shape} for {len(arrays['frames'])} ticks"
                )
        return Reference(
            frames=arrays["frames"],
            masks=arrays["masks"],
            embeddings=arrays["embeddings"],
            features=arrays["features"],
            tick_hz=float(arrays["tick_hz"]),
            target_speed=float(arrays["target_speed"]) if "target_speed" in arrays else None,
            trajectory=arrays.get("trajectory"),
            motion=_motion(folder, arrays["motion"]) if "motion" in arrays else None,
            box_lags=arrays.get("box_lags"),
            provenance=_json(folder / PROVENANCE),
        )


def _motion(folder: Path, qpos: Doubles) -> Motion:
    digests.verify(folder, [MOTION])
    report = _json(folder / MOTION)
    source, trusted = report.pop("source"), report.pop("trusted")
    return Motion(qpos, source, trusted, report)


def _gray(masks: Masks) -> Frames:
    return np.repeat(masks[..., None].astype(np.uint8) * 255, 3, axis=-1)
