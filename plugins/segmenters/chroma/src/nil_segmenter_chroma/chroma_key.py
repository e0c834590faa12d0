"""Chroma keying: what differs from the color of the border, and hangs together over time, is the robot."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from nil_core.api import DataError, Floats, Frames, Masks, Progress, Video, no_progress
from nil_segmenter_chroma import ChromaOptions

RING = 0.04
"""Width of the border that counts as background, as a share of the shorter side."""

PLAIN = 10.0
"""Delta E within which nine tenths of a plain background's border lie: noise and vignettes do, a floor does not."""

NOTICEABLE = 2.3
"""Delta E of a just noticeable difference."""

NOISE = 1.6
"""How far the noise reaches, in units of its ninth decile: 99.9 % of a Gaussian noise in three channels."""

SMALLEST, LARGEST = 0.002, 0.8
"""Shares of the picture between which a robot lies."""

REACH = 0.04
"""How far a part may move between two frames and still be found, as a share of the shorter side."""

Levels = npt.NDArray[np.uint8]
"""Delta E in 16 steps per square root: 1 is 16, 4 is 32, 100 is 160. The root lets Otsu's method see faint parts."""


class ChromaKey:
    """Masks by color difference in CIE L*a*b*, cleaned, and followed from frame to frame.

    The background's color is the border's median, in each frame anew, since generated videos drift in brightness. The
    threshold is Otsu's (IEEE Trans. SMC, 1979) over the whole video, but never within the border's noise.
    """

    def __init__(self, options: ChromaOptions) -> None:
        self._threshold = options.threshold

    def segment(self, video: Video, first_mask: Masks, progress: Progress = no_progress) -> Masks:
        """Masks bool (T, H, W).

        In the first frame the robot is the largest part that stands out, and all that ``first_mask`` touches; later,
        what touches the robot of the frame before. So captions and specks elsewhere are left out.

        Raises:
            DataError: the background is not plain, nothing stands out, or nearly everything does.
        """
        levels = np.stack([_levels(frame) for frame in video.frames])
        noise = _delta_e(float(np.quantile(levels[:, _ring(*levels.shape[1:])], 0.9)))
        if noise > PLAIN:
            raise DataError(
                f"the background is not plain: along the border it varies by {noise:.0f} delta E",
                "crop the video (--set generator.crop=[x,y,width,height]), or track the robot with --segmenter sam2",
            )
        threshold = self._threshold or max(_otsu(levels), NOISE * noise, NOTICEABLE)
        masks = np.empty(levels.shape, np.bool_)
        before = first_mask
        for number, level in enumerate(levels):
            parts = _parts(level > 16 * threshold**0.5)
            wanted = set(np.unique(parts[_grown(before)])) | ({_largest(parts)} if number == 0 else set())
            before = masks[number] = np.isin(parts, list(wanted - {0}))
            _check(np.count_nonzero(before) / before.size, number, threshold)
            progress(number + 1, len(levels), "frames segmented")
        return masks


def _levels(frame: Frames) -> Levels:
    """How far each pixel's color is from the border's: (H, W)."""
    lab = cast(Floats, cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2Lab))
    background = np.median(lab[_ring(*lab.shape[:2])], axis=0)
    distance = np.linalg.norm(lab - background, axis=-1)
    return cast(Levels, cv2.medianBlur(np.minimum(16 * np.sqrt(distance), 255).astype(np.uint8), 3))


def _delta_e(level: float) -> float:
    return (level / 16) ** 2


def _otsu(levels: Levels) -> float:
    """The threshold in delta E that parts all pixels of the video best into two classes."""
    return _delta_e(cv2.threshold(levels.reshape(len(levels), -1), 0, 1, cv2.THRESH_OTSU)[0])


def _ring(height: int, width: int) -> Masks:
    thick = max(2, round(RING * min(height, width)))
    ring = np.ones((height, width), np.bool_)
    ring[thick:-thick, thick:-thick] = False
    return ring


def _disc(radius: int) -> Levels:
    return cast(Levels, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)))


def _grown(mask: Masks) -> Masks:
    return cv2.dilate(mask.astype(np.uint8), _disc(max(2, round(REACH * min(mask.shape))))) > 0


def _parts(keyed: Masks) -> npt.NDArray[np.int32]:
    """Numbers of the connected parts after small gaps are closed, 0 for the background: int32 (H, W)."""
    closed = cv2.morphologyEx(keyed.astype(np.uint8), cv2.MORPH_CLOSE, _disc(max(1, min(keyed.shape) // 360)))
    return cast(npt.NDArray[np.int32], cv2.connectedComponents(closed, connectivity=8)[1])


def _largest(parts: npt.NDArray[np.int32]) -> int:
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return int(sizes.argmax())


def _check(share: float, number: int, threshold: float) -> None:
    if share < SMALLEST:
        raise DataError(
            f"no robot stands out from the background in frame {number} (threshold {threshold:.1f} delta E)",
            "try a lower threshold, --set segmenter.threshold=5, or track the robot with --segmenter sam2",
        )
    if share > LARGEST:
        raise DataError(
            f"the robot would fill {share:.0%} of frame {number} (threshold {threshold:.1f} delta E)",
            "try a higher threshold, --set segmenter.threshold=30, or track the robot with --segmenter sam2",
        )
