"""Reference folders: written by ``nil generate``, and by every run for its own reference."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np

from nil_core.errors import RunError
from nil_core.reference.generated import GeneratedReference, pack, unpack
from nil_core.storage.atomic import read_arrays, write_arrays, write_json, write_text
from nil_core.types import Doubles, Frames, Masks, Motion, Reference
from nil_core.video.files import write_png, write_video

SOURCE, ALIGNED, PROVENANCE, MOTION = "source.npz", "aligned.npz", "provenance.json", "motion.json"


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


def load_generated(folder: Path) -> GeneratedReference:
    """Load what :func:`save_generated` wrote; also accepts a run folder.

    Raises:
        RunError: the folder contains no reference.
    """
    inner = folder / "reference"
    folder = inner if (inner / SOURCE).exists() else folder
    try:
        arrays = read_arrays(folder / SOURCE)
        provenance = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        masks, first_frame, first_mask = (arrays[k] for k in ("robot", "first_frame", "first_mask"))
        video = unpack(arrays)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        what = getattr(error, "strerror", None) or error
        reason = f"{SOURCE}: {what}" if folder.exists() else "it does not exist"
        raise RunError(f"{folder} is not a reference folder ({reason})", "`nil generate` makes one") from None
    return GeneratedReference(video, masks, first_frame, first_mask, provenance)


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


def save_motion(folder: Path, motion: Motion) -> None:
    """Write the motion's report, source and trust to ``motion.json``."""
    write_json(folder / MOTION, {**motion.report, "source": motion.source, "trusted": motion.trusted})


def load_reference(folder: Path) -> Reference:
    """Load what :func:`save_reference` wrote.

    Raises:
        RunError: files are missing or damaged.
    """
    try:
        arrays = read_arrays(folder / ALIGNED)
        provenance = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        return Reference(
            frames=arrays["frames"],
            masks=arrays["masks"],
            embeddings=arrays["embeddings"],
            features=arrays["features"],
            tick_hz=float(arrays["tick_hz"]),
            target_speed=float(arrays["target_speed"]) if "target_speed" in arrays else None,
            trajectory=arrays.get("trajectory"),
            motion=_motion(arrays["motion"], folder / MOTION) if "motion" in arrays else None,
            box_lags=arrays.get("box_lags"),
            provenance=provenance,
        )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"the reference in {folder} cannot be read: {error}", "start a new run") from None


def _motion(qpos: Doubles, path: Path) -> Motion:
    report = json.loads(path.read_text(encoding="utf-8"))
    source, trusted = report.pop("source"), report.pop("trusted")
    return Motion(qpos, source, trusted, report)


def _gray(masks: Masks) -> Frames:
    return np.repeat(masks[..., None].astype(np.uint8) * 255, 3, axis=-1)
