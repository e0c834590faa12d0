"""Quality checks of a video's masks before training: areas, jumps, and frames in which the robot is lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nil_core.errors import DataError
from nil_core.types import Masks
from nil_core.video.masks import iou

MAX_AREA = 0.9
"""Share of the frame above which a mask covers more than a robot."""

MAX_AREA_CHANGE = 1.5
"""Ratio of the areas of two consecutive masks above which the mask jumps."""

MIN_CONSECUTIVE_IOU = 0.2
"""Intersection over union of two consecutive masks below which the mask jumps."""

LOST_AREA_RATIO = 0.25
"""Share of the first mask's area, which a simulator drew, below which most of the robot is missing."""


@dataclass(frozen=True)
class MaskQuality:
    """Result of :func:`measure` for T masks.

    Attributes:
        smallest, median, largest: mask area as a share of the frame, over the frames.
        jumps: frames whose mask differs abruptly from the previous one, in area or position.
        lost: frames in which most of the robot is missing.
    """

    smallest: float
    median: float
    largest: float
    jumps: tuple[int, ...]
    lost: tuple[int, ...]

    @property
    def doubtful(self) -> bool:
        """Whether the masks should be inspected."""
        return bool(self.jumps or self.lost)

    def __str__(self) -> str:
        area = f"masks: {self.smallest:.1%} to {self.largest:.1%} of the frame is robot, median {self.median:.1%}"
        doubts = [
            f"{what} {_listed(at)}" for what, at in (("jumps at", self.jumps), ("robot lost in", self.lost)) if at
        ]
        return "; ".join([area, *(doubts or ["no jumps, never lost"])])


def measure(masks: Masks) -> MaskQuality:
    """Measure masks bool (T, H, W), in the order of the video."""
    area = masks.mean(axis=(1, 2))
    before = np.append(area[:1], area[:-1])
    sudden = np.maximum(before, area) > MAX_AREA_CHANGE * np.minimum(before, area)
    apart = iou(np.concatenate([masks[:1], masks[:-1]]), masks) < MIN_CONSECUTIVE_IOU
    return MaskQuality(
        smallest=round(float(area.min()), 4),
        median=round(float(np.median(area)), 4),
        largest=round(float(area.max()), 4),
        jumps=_indices(sudden | apart),
        lost=_indices(area < LOST_AREA_RATIO * area[0]),
    )


def check_masks(masks: Masks) -> None:
    """Reject masks that are empty or cover nearly the whole frame.

    Raises:
        DataError: with the first such frame.
    """
    area = masks.mean(axis=(1, 2))
    for wrong, what in ((area == 0.0, "is empty"), (area > MAX_AREA, f"fills more than {MAX_AREA:.0%} of the frame")):
        if wrong.any():
            raise DataError(
                f"the robot's mask {what} in frame {int(wrong.argmax())} ({int(wrong.sum())} of {len(masks)} frames)",
                "try another segmenter or its threshold, or trim the video to where the robot is visible",
            )


def _indices(true: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(map(int, np.flatnonzero(true)))


def _listed(frames: tuple[int, ...]) -> str:
    named = ", ".join(map(str, frames[:5]))
    return f"frame{'s'[: len(frames) > 1]} {named}" + (f" and {len(frames) - 5} more" if len(frames) > 5 else "")
