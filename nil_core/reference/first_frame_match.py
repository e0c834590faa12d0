"""Comparison of the robot in the video's first frame with the simulated one, and the crop that aligns them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nil_core.reference.mask_quality import check_masks
from nil_core.types import CropBox, Doubles, Masks
from nil_core.video.crop import crop, enclosing_square
from nil_core.video.masks import iou

MIN_OVERLAP = 0.9
"""Intersection over union from which the first frames agree."""

Box = tuple[float, float, float, float]
"""Left, top, width, height as shares of the square's side."""


@dataclass(frozen=True)
class FirstFrameMatch:
    """The first frame of the reference compared with that of the rollout, both in the square used by the reward.

    Attributes:
        scale: size of the reference's robot relative to the rollout's (square root of the ratio of their areas).
        right, down: offset of its centroid, as shares of the square's side.
        overlap: intersection over union of the two masks.
        reference_box, rollout_box: bounding boxes of the robots.
        crop_box: the crop of the video with which size and centroid agree: left, top, side in pixels.
    """

    scale: float
    right: float
    down: float
    overlap: float
    reference_box: Box
    rollout_box: Box
    crop_box: CropBox

    @property
    def close(self) -> bool:
        """Whether the first frames agree."""
        return self.overlap >= MIN_OVERLAP

    def __str__(self) -> str:
        if self.close:
            return f"first frame: the robot matches the simulator's (overlap {self.overlap:.2f})"
        sideways = f"{abs(self.right):.1%} {'right' if self.right > 0 else 'left'}"
        upwards = f"{abs(self.down):.1%} {'down' if self.down > 0 else 'up'}"
        return (
            f"first frame: the robot is {self.scale:.2f} times as large as the simulator's, and {sideways} and "
            f"{upwards} of it (overlap {self.overlap:.2f})"
        )


def first_frame_match(mask: Masks, crop_box: CropBox | None, stand: Masks) -> FirstFrameMatch:
    """Compare the first frames.

    Args:
        mask: bool (H, W), the robot in the video's first frame.
        crop_box: the crop of the video that is used; None for the whole frame, padded.
        stand: bool (S, S), the standing robot as the simulator renders it.

    Raises:
        DataError: one of the masks shows no robot.
    """
    left, top, side = crop_box or enclosing_square(mask.shape[1], mask.shape[0])
    _, seen = crop(np.zeros((*mask.shape, 3), np.uint8), mask, (left, top, side), len(stand))
    check_masks(np.stack([seen, stand]))
    scale = float(np.sqrt(seen.sum() / stand.sum()))
    ours, theirs = _centroid(seen), _centroid(stand)
    x, y = np.array([left, top]) + side * (ours - scale * theirs)
    right, down = ours - theirs
    return FirstFrameMatch(
        scale=round(scale, 4),
        right=round(float(right), 4),
        down=round(float(down), 4),
        overlap=round(float(iou(seen[None], stand[None])[0]), 4),
        reference_box=_box(seen),
        rollout_box=_box(stand),
        crop_box=(float(x), float(y), side * scale),
    )


def _centroid(mask: Masks) -> Doubles:
    """x and y as shares of the side."""
    centroid: Doubles = (np.argwhere(mask).mean(axis=0)[::-1] + 0.5) / len(mask)
    return centroid


def _box(mask: Masks) -> Box:
    (top, left), (bottom, right) = np.argwhere(mask).min(axis=0), np.argwhere(mask).max(axis=0) + 1
    left, top, width, height = (round(float(n) / len(mask), 4) for n in (left, top, right - left, bottom - top))
    return left, top, width, height
