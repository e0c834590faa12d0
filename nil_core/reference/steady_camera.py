"""A video whose camera moves, put back to where the camera of its first frame was, by what the recovery found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nil_core.config import RunConfig
from nil_core.types import CropBox, Motion


def steady_boxes(motion: Motion | None, config: RunConfig) -> list[CropBox] | None:
    """What the camera of the first frame sees at each tick, in a picture whose left, top and side are 0, 0 and 1.

    Args:
        motion: as recovered.
        config: says whether a motion that is not trusted counts.

    Returns:
        one square for each row of the motion; None where the camera does not move, or nobody may rely on its motion.
    """
    if motion is None or not (motion.trusted or config.motion.untrusted == "use"):
        return None
    camera = motion.report.get("camera")
    if camera is None:
        return None
    right, down, zoom = (np.array(camera[name]) for name in ("right", "down", "zoom"))
    left, top = 0.5 - zoom / 2 + right, 0.5 - zoom / 2 + down
    return [(float(x), float(y), float(side)) for x, y, side in zip(left, top, zoom, strict=True)]


def within(square: CropBox, boxes: Sequence[CropBox]) -> list[CropBox]:
    """Boxes that are shares of a square's side, as pixels of the picture that the square lies in."""
    left, top, side = square
    return [(left + x * side, top + y * side, share * side) for x, y, share in boxes]
