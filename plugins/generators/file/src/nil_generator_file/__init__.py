"""A video of the user instead of a generated one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from nil_core.api import Capability, ComponentCard, Options

Crop = tuple[NonNegativeInt, NonNegativeInt, PositiveInt, PositiveInt]


class FileOptions(Options):
    """Options of the generator ``file``."""

    path: Path | None = Field(None, description="Video (mp4, mov, mkv, webm, gif, webp) or folder of images. Required.")
    start: float = Field(0.0, ge=0, description="Seconds to skip at the beginning.")
    seconds: float | None = Field(None, gt=0, description="Length to read; default: as much as is asked for.")
    crop: Crop | None = Field(
        None, description="[x, y, width, height] to keep, in pixels of the picture that a player shows."
    )
    size: PositiveInt = Field(
        1280, description="Pixels of the longest side to keep: what is larger after the crop is scaled down."
    )
    fps: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Frames per second; default: that of the file. Required for a folder of images."
    )


CARD = ComponentCard(
    kind="generator",
    summary="Your own video (mp4, mov, mkv, webm, gif, webp or a folder of images), cut and cropped.",
    target="nil_generator_file.video_file:VideoFile",
    config=FileOptions,
    capabilities=frozenset({Capability.OFFLINE}),
)
