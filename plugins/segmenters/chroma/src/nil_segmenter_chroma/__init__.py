"""Chroma keying of the robot on a plain background, for videos from outside the simulator."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nil_core.api import Capability, ComponentCard, Options, Requirement


class ChromaOptions(Options):
    """Options of the segmenter ``chroma``."""

    threshold: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="Minimum color difference of the robot from the background (CIE 1976 delta E; 2.3 is just "
        "noticeable, 100 is black to white). Unset: computed for each video.",
    )


CARD = ComponentCard(
    kind="segmenter",
    summary="Chroma keying of the robot on a plain background, for videos from outside the simulator.",
    target="nil_segmenter_chroma.chroma_key:ChromaKey",
    config=ChromaOptions,
    requires=(Requirement("cv2", "pip install opencv-python-headless"),),
    capabilities=frozenset({Capability.OFFLINE, Capability.PLAIN_BACKGROUND}),
)
