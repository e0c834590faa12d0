"""A generated video with its masks, first frame and provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nil_core.storage.cache import Arrays, array_text, text_array
from nil_core.types import Frames, Masks, Video


@dataclass(frozen=True)
class GeneratedReference:
    """A generated video at its own size and frame rate.

    Attributes:
        video: as generated.
        masks: bool (T, H, W), from the segmenter.
        first_frame, first_mask: uint8 (S, S, 3) and bool (S, S), given to the generator (S differs from the run's
            render size if the generator does not render the scene).
        provenance: JSON values: prompt, components, hashes, and whether it came from the cache.
    """

    video: Video
    masks: Masks
    first_frame: Frames
    first_mask: Masks
    provenance: Mapping[str, Any]


def pack(video: Video) -> Arrays:
    """Convert a video to arrays."""
    arrays: Arrays = {"frames": video.frames, "fps": np.array(video.fps), "facts": text_array(video.facts)}
    if video.masks is not None:
        arrays["masks"] = video.masks
    if video.trajectory is not None:
        arrays["trajectory"] = video.trajectory
    if video.crop_box is not None:
        arrays["crop_box"] = np.array(video.crop_box, np.float64)
    return arrays


def unpack(arrays: Arrays) -> Video:
    """Convert the arrays of :func:`pack` back to a video."""
    crop_box = arrays.get("crop_box")
    return Video(
        frames=arrays["frames"],
        fps=float(arrays["fps"]),
        masks=arrays.get("masks"),
        trajectory=arrays.get("trajectory"),
        facts=array_text(arrays["facts"]),
        crop_box=None if crop_box is None else (float(crop_box[0]), float(crop_box[1]), float(crop_box[2])),
    )
