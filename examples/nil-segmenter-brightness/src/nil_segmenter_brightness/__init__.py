"""Segments by brightness: the card and its options."""

from __future__ import annotations

from pydantic import Field

from nil_core.api import Capability, ComponentCard, Options


class BrightnessOptions(Options):
    """Options of the segmenter ``brightness``."""

    threshold: int = Field(12, ge=0, le=254, description="Level (0 to 255) above which a pixel is the robot's.")


CARD = ComponentCard(
    kind="segmenter",
    summary="Whatever is brighter than a threshold; for a robot on black.",
    target="nil_segmenter_brightness.brightness:Brightness",
    config=BrightnessOptions,
    capabilities=frozenset({Capability.OFFLINE}),
)
