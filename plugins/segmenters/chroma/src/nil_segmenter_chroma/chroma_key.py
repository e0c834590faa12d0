"""Chroma keying: the robot is the region that differs in color from the border and is connected over time."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from nil_core.api import DataError, Floats, Frames, Masks, Progress, Video, no_progress
from nil_segmenter_chroma import ChromaOptions

BORDER_WIDTH = 0.04
"""Width of the border that is assumed to be background, as a fraction of the shorter side."""

MAX_BORDER_NOISE = 10.0
"""Maximum 90 % quantile of delta E along the border of a plain background: allows noise and vignettes, but no floor."""

MIN_THRESHOLD = 2.3
"""Delta E of a just noticeable difference."""

MAX_GRADIENT_NOISE = 5.0
"""As MAX_BORDER_NOISE, of a background that light shades evenly, from the quadratic surface fitted to it."""

GRADIENT_PIXELS, GRADIENT_FITS = 4000, 5
"""Pixels of the border that the surface is fitted to, at most, and how often: each time without the outliers so far."""

LEAST_VISIBLE = 0.3
"""Delta E above the rounding errors of 8-bit colors."""

NOISE_FACTOR = 1.6
"""Ratio of the 99.9 % and 90 % quantiles of Gaussian noise in three channels."""

MIN_AREA, MAX_AREA = 0.002, 0.8
"""Limits of the robot's area, as fractions of the frame."""

MAX_MOTION = 0.04
"""Maximum motion of a component between two frames, as a fraction of the shorter side."""

MAX_FAINT_OUTLINE = 0.1
"""Share of the outline's pixels that are less than half as different from the background as a neighbor: up to 0.08
where outlines are sharp and some parts of the robot are faint, 0.12 and more where outlines are blurred."""

UInt8Array = npt.NDArray[np.uint8]


class ChromaKey:
    """Masks by color difference in CIE L*a*b*, tracked from frame to frame.

    The background color is the median of the border of each frame, because the brightness of generated videos drifts;
    where light shades it, a quadratic surface through the border. The threshold is Otsu's (IEEE Trans. SMC, 1979) over
    the whole video, but at least the noise level of the border. Specks are removed and gaps closed only to tell where
    the robot is: the outline is that of the video, as both would cost thin limbs a pixel.
    """

    def __init__(self, options: ChromaOptions) -> None:
        self._threshold = options.threshold

    def segment(self, video: Video, first_mask: Masks, progress: Progress = no_progress) -> Masks:
        """Masks bool (T, H, W).

        In the first frame the robot is the largest component that differs from the background and all components that
        overlap ``first_mask``; later, the components that overlap the robot of the previous frame. Captions and specks
        elsewhere are ignored.

        Raises:
            DataError: the background is not plain, or the robot's area is too small or too large.
        """
        sharp = np.stack([_color_difference(frame) for frame in video.frames])
        differences = np.stack([cast(UInt8Array, cv2.medianBlur(each, 3)) for each in sharp])
        noise = _delta_e(float(np.quantile(differences[:, _border(*differences.shape[1:])], 0.9)))
        if noise > MAX_BORDER_NOISE:
            raise DataError(
                f"the background is not plain: along the border it varies by {noise:.0f} delta E",
                "crop the video (--set generator.crop=[x,y,width,height]), or track the robot with --segmenter sam2",
            )
        threshold = self._threshold or max(_otsu(differences), NOISE_FACTOR * noise, MIN_THRESHOLD)
        regions = np.empty(differences.shape, np.bool_)
        previous = first_mask
        for number, difference in enumerate(differences):
            labels = _components(difference > 16 * threshold**0.5)
            robot = set(np.unique(labels[_dilated(previous)])) | ({_largest(labels)} if number == 0 else set())
            previous = regions[number] = np.isin(labels, list(robot - {0}))
            area = np.count_nonzero(previous) / previous.size
            if area < MIN_AREA:
                raise DataError(
                    f"no robot differs from the background in frame {number} (threshold {threshold:.1f} delta E)",
                    _remedy(difference, noise, threshold),
                )
            if area > MAX_AREA:
                raise DataError(
                    f"the robot would fill {area:.0%} of frame {number} (threshold {threshold:.1f} delta E)",
                    f"raise the threshold, --set segmenter.threshold={2 * threshold:.0f}, or track with "
                    "--segmenter sam2",
                )
            progress(number + 1, len(differences), "frames segmented")
        return _outlined(sharp, regions, 16 * threshold**0.5)


def _color_difference(frame: Frames) -> UInt8Array:
    """Color difference of each pixel from the border, (H, W), as 16 times the square root of delta E.

    Delta E 1 gives 16, 4 gives 32, 100 gives 160. With the square root, Otsu's method finds faint parts.
    """
    lab = cast(Floats, cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2Lab))
    distance = np.linalg.norm(lab - _background(lab), axis=-1)
    return cast(UInt8Array, np.minimum(16 * np.sqrt(distance), 255).astype(np.uint8))


def _background(lab: Floats) -> Floats:
    """The color of the background, float32 (3,), or (H, W, 3) where light shades it evenly."""
    border = _border(*lab.shape[:2])
    samples = lab[border]
    median = cast(Floats, np.median(samples, axis=0))
    if _noise(samples - median) <= MIN_THRESHOLD:
        return median
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, side, dtype=np.float32) for side in border.shape), indexing="ij")
    surface = np.stack([np.ones_like(rows), rows, columns, rows**2, rows * columns, columns**2], axis=-1)
    step = -(-len(samples) // GRADIENT_PIXELS)
    terms, samples = surface[border][::step], samples[::step]
    fitted = np.ones(len(samples), np.bool_)
    for _ in range(GRADIENT_FITS):
        weights = np.linalg.lstsq(terms[fitted], samples[fitted], rcond=None)[0]
        residuals = samples - terms @ weights
        distance = np.linalg.norm(residuals, axis=-1)
        fitted = distance <= max(2 * float(np.median(distance)), LEAST_VISIBLE)
    return cast(Floats, surface @ weights) if _noise(residuals) <= MAX_GRADIENT_NOISE else median


def _noise(residuals: Floats) -> float:
    """The 90 % quantile of differences of colors (N, 3), in delta E."""
    return float(np.quantile(np.linalg.norm(residuals, axis=-1), 0.9))


def _outlined(differences: UInt8Array, regions: Masks, threshold: float) -> Masks:
    """The pixels in or next to the regions that differ from the background, bool (T, H, W).

    A pixel of a blurred outline is partly background: it belongs to the robot if it is at least half as different from
    the background as its most different neighbor.

    Args:
        differences: uint8 (T, H, W), of :func:`_color_difference`.
        regions: bool (T, H, W), where the robot is.
        threshold: of the differences.
    """
    square = np.ones((3, 3), np.uint8)
    masks, faint = np.empty(regions.shape, np.bool_), np.empty(regions.shape, np.bool_)
    outline = 0
    for number, (difference, region) in enumerate(zip(differences, regions, strict=True)):
        masks[number] = (difference > threshold) & (cv2.dilate(region.astype(np.uint8), square) > 0)
        edge = masks[number] & (cv2.erode(masks[number].astype(np.uint8), square) == 0)
        faint[number] = edge & (difference < 0.5**0.5 * cv2.dilate(difference, square))  # of square roots
        outline += int(np.count_nonzero(edge))
    return masks & ~faint if np.count_nonzero(faint) > MAX_FAINT_OUTLINE * outline else masks


def _delta_e(difference: float) -> float:
    """Delta E of a value of :func:`_color_difference`."""
    return (difference / 16) ** 2


def _otsu(differences: UInt8Array) -> float:
    """The threshold in delta E that best separates all pixels of the video into two classes."""
    return _delta_e(cv2.threshold(differences.reshape(len(differences), -1), 0, 1, cv2.THRESH_OTSU)[0])


def _border(height: int, width: int) -> Masks:
    """Mask of the border of a frame: bool (height, width)."""
    width_of_border = max(2, round(BORDER_WIDTH * min(height, width)))
    border = np.ones((height, width), np.bool_)
    border[width_of_border:-width_of_border, width_of_border:-width_of_border] = False
    return border


def _disc(radius: int) -> UInt8Array:
    return cast(UInt8Array, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)))


def _dilated(mask: Masks) -> Masks:
    return cv2.dilate(mask.astype(np.uint8), _disc(max(2, round(MAX_MOTION * min(mask.shape))))) > 0


def _components(foreground: Masks) -> npt.NDArray[np.int32]:
    """Labels of the connected components after small gaps are closed, 0 for the background: int32 (H, W)."""
    radius = max(1, min(foreground.shape) // 360)
    closed = cv2.morphologyEx(foreground.astype(np.uint8), cv2.MORPH_CLOSE, _disc(radius))
    return cast(npt.NDArray[np.int32], cv2.connectedComponents(closed, connectivity=8)[1])


def _largest(labels: npt.NDArray[np.int32]) -> int:
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return int(sizes.argmax())


def _remedy(difference: UInt8Array, noise: float, threshold: float) -> str:
    """The threshold that finds something in a frame, if it is above the noise (delta E) of the border."""
    lower = 0.9 * _delta_e(float(np.quantile(difference, 1 - 2 * MIN_AREA)))
    if max(NOISE_FACTOR * noise, LEAST_VISIBLE) < lower < threshold:
        return f"lower the threshold, --set segmenter.threshold={lower:.2g}, or track with --segmenter sam2"
    return "the frame shows the background alone: give a video that shows the robot in every frame, and large enough"
