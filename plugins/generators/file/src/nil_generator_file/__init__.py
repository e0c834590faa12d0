"""The user's own video in place of a generated one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from nil_core.api import Capability, ComponentCard, Options

Crop = tuple[NonNegativeInt, NonNegativeInt, PositiveInt, PositiveInt]


class FileOptions(Options):
    """Options of the generator ``file``."""

    path: Path | None = Field(
        None, description="Video (mp4, mov, mkv, webm, gif, webp) or folder of images. It must be given."
    )
    start: float = Field(0.0, ge=0, description="Seconds to leave out at the beginning.")
    seconds: float | None = Field(None, gt=0, description="Length to keep; the whole rest when not given.")
    crop: Crop | None = Field(None, description="[x, y, width, height] to keep, in pixels from the upper left corner.")
    fps: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Frames per second in place of the file's own; a folder of images needs it."
    )


CARD = ComponentCard(
    kind="generator",
    summary="Your own video (mp4, mov, mkv, webm, gif, webp or a folder of images), cut and cropped.",
    target="nil_generator_file.video_file:VideoFile",
    config=FileOptions,
    capabilities=frozenset({Capability.OFFLINE}),
)
