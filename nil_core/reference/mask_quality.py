"""How good a video's masks look before anything is learned from them: their areas, jumps, and a robot that got lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nil_core.errors import DataError
from nil_core.types import Masks
from nil_core.video.masks import iou

FLOODED = 0.9
"""Share of the frame above which a mask shows no robot but everything."""

JUMP = 1.5
"""A robot's silhouette does not grow or shrink by this factor from one frame to the next ..."""

APART = 0.2
"""... nor does it overlap its predecessor this little (intersection over union)."""

LOST = 0.25
"""Share of the first mask's area, which a simulator drew, below which most of the robot is missing."""


@dataclass(frozen=True)
class MaskQuality:
    """What :func:`measure` found in T masks.

    Attributes:
        smallest, median, largest: share of the frame that is robot, over the frames.
        jumps: frames whose mask differs suddenly from the one before, in area or in place.
        lost: frames in which most of the robot is missing.
    """

    smallest: float
    median: float
    largest: float
    jumps: tuple[int, ...]
    lost: tuple[int, ...]

    @property
    def doubtful(self) -> bool:
        """Whether a person should look at the masks."""
        return bool(self.jumps or self.lost)

    def __str__(self) -> str:
        area = f"masks: {self.smallest:.1%} to {self.largest:.1%} of the frame is robot, median {self.median:.1%}"
        doubts = [f"{what} {_some(at)}" for what, at in (("jumps at", self.jumps), ("robot lost in", self.lost)) if at]
        return "; ".join([area, *(doubts or ["no jumps, never lost"])])


def measure(masks: Masks) -> MaskQuality:
    """Look at masks bool (T, H, W), in the order of the video."""
    area = masks.mean(axis=(1, 2))
    before = np.append(area[:1], area[:-1])
    sudden = np.maximum(before, area) > JUMP * np.minimum(before, area)
    apart = iou(np.concatenate([masks[:1], masks[:-1]]), masks) < APART
    return MaskQuality(
        smallest=round(float(area.min()), 4),
        median=round(float(np.median(area)), 4),
        largest=round(float(area.max()), 4),
        jumps=_indices(sudden | apart),
        lost=_indices(area < LOST * area[0]),
    )


def check_masks(masks: Masks) -> None:
    """Refuse masks that show no robot, or nothing else.

    Raises:
        DataError: naming the frame.
    """
    area = masks.mean(axis=(1, 2))
    for wrong, what in ((area == 0.0, "is empty"), (area > FLOODED, f"fills more than {FLOODED:.0%} of the frame")):
        if wrong.any():
            raise DataError(
                f"the robot's mask {what} in frame {int(wrong.argmax())} ({int(wrong.sum())} of {len(masks)} frames)",
                "try another segmenter or its threshold, or trim the video to where the robot is seen",
            )


def _indices(true: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(map(int, np.flatnonzero(true)))


def _some(frames: tuple[int, ...]) -> str:
    named = ", ".join(map(str, frames[:5]))
    return f"frame{'s'[: len(frames) > 1]} {named}" + (f" and {len(frames) - 5} more" if len(frames) > 5 else "")
