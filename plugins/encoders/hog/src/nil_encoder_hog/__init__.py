"""Histograms of oriented gradients as a video encoder: no weights, no downloads."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from nil_core.api import Capability, ComponentCard, Options


class HogOptions(Options):
    """Options of the encoder ``hog``."""

    frame_size: int = Field(128, ge=16, description="Side of a frame in pixels; a multiple of `cells`.")
    cells: int = Field(8, ge=2, description="Cells along each side of a frame.")
    bins: int = Field(9, ge=2, description="Orientation bins over 180 degrees.")
    clip_length: int = Field(8, ge=1, description="Frames in a clip.")

    @model_validator(mode="after")
    def _cells_tile_the_frame(self) -> Self:
        if self.frame_size % self.cells:
            raise ValueError(f"frame_size {self.frame_size} is not a multiple of cells {self.cells}")
        return self


CARD = ComponentCard(
    kind="encoder",
    summary="Histograms of oriented gradients per frame, stacked over the clip; no weights.",
    target="nil_encoder_hog.hog_encoder:HogEncoder",
    config=HogOptions,
    capabilities=frozenset({Capability.OFFLINE, Capability.FRAME_WISE}),
)
