"""Segmenter for videos rendered by the simulator: returns their exact masks."""

from __future__ import annotations

from nil_core.api import Capability, ComponentCard

CARD = ComponentCard(
    kind="segmenter",
    summary="Exact masks rendered with the video; for generators that render the robot.",
    target="nil_segmenter_sim_mask.drawn_masks:DrawnMasks",
    capabilities=frozenset({Capability.OFFLINE, Capability.NEEDS_DRAWN_MASKS}),
)
