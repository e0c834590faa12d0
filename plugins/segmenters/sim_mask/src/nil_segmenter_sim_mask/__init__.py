"""The masks of a video that the simulator drew itself."""

from __future__ import annotations

from nil_core.api import Capability, ComponentCard

CARD = ComponentCard(
    kind="segmenter",
    summary="The masks the simulator drew with the video; for generators that draw the robot themselves.",
    target="nil_segmenter_sim_mask.drawn_masks:DrawnMasks",
    capabilities=frozenset({Capability.OFFLINE, Capability.NEEDS_DRAWN_MASKS}),
)
