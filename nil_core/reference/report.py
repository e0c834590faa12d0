"""Report on a generated reference before training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nil_core.reference.first_frame_match import FirstFrameMatch
from nil_core.reference.mask_quality import MaskQuality


@dataclass(frozen=True)
class ReferenceReport:
    """Origin and quality of a generated video.

    Attributes:
        prompt: the text prompt it was generated from.
        frames, size, fps: of the video; size is height and width in pixels.
        from_cache: whether it was generated earlier.
        remarks: about its file and length, one line each.
        masks: quality of its masks.
        first_frame: comparison of its first frame with the simulator's.
    """

    prompt: str
    frames: int
    size: tuple[int, int]
    fps: float
    from_cache: bool
    remarks: tuple[str, ...]
    masks: MaskQuality
    first_frame: FirstFrameMatch

    @classmethod
    def from_provenance(cls, provenance: Mapping[str, Any]) -> ReferenceReport:
        """Build the report from the contents of ``provenance.json``."""
        video = provenance["video"]
        return cls(
            prompt=provenance["prompt"],
            frames=video["frames"],
            size=tuple(video["size"]),
            fps=video["fps"],
            from_cache=video.get("from_cache", False),
            remarks=tuple(video.get("remarks", ())),
            masks=MaskQuality(**provenance["masks"]),
            first_frame=FirstFrameMatch(**provenance["first_frame"]),
        )

    def __str__(self) -> str:
        origin = " (from cache)" if self.from_cache else ""
        height, width = self.size
        return f"reference: {self.frames} frames of {width}x{height} at {self.fps:g} fps{origin}: {self.prompt}"
