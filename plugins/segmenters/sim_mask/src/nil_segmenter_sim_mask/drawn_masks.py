"""Returns the masks of a video that the simulator rendered."""

from __future__ import annotations

from nil_core.api import DataError, Masks, Options, Progress, Video, no_progress


class DrawnMasks:
    """The exact masks that a generator rendered together with the video."""

    def __init__(self, options: Options) -> None:
        """There are no options."""

    def segment(self, video: Video, first_mask: Masks, progress: Progress = no_progress) -> Masks:
        """The video's own masks, bool (T, H, W); ``first_mask`` is not needed.

        Raises:
            DataError: the video has no masks, because the simulator did not render it.
        """
        if video.masks is None:
            raise DataError(
                "the video has no masks: the simulator did not render it",
                "use --segmenter chroma for a plain background, or --segmenter sam2 for any other",
            )
        return video.masks
