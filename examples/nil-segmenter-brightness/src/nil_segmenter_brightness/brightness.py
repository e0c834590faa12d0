"""Segments by brightness: the class that the card names."""

from __future__ import annotations

from nil_core.api import DataError, Masks, Progress, Video, no_progress
from nil_segmenter_brightness import BrightnessOptions


class Brightness:
    """Masks of a robot on a black background."""

    def __init__(self, options: BrightnessOptions) -> None:
        self._threshold = options.threshold

    def segment(self, video: Video, first_mask: Masks, progress: Progress = no_progress) -> Masks:
        """Masks bool (T, H, W) of a video's frames uint8 (T, H, W, 3).

        Raises:
            DataError: a frame has no pixel bright enough.
        """
        masks: Masks = video.frames.max(axis=-1) > self._threshold
        if not masks.any(axis=(1, 2)).all():
            raise DataError("a frame shows nothing bright enough", "--set segmenter.threshold=4")
        progress(len(masks), len(masks), "frames segmented")
        return masks
