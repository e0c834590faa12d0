"""The segmenter ``sim_mask``: masks rendered by the simulator together with the video."""

from __future__ import annotations

from nil_core.api import DataError, Masks, Options, Progress, Video, no_progress


class DrawnMasks:
    """Returns the exact masks that the generator rendered together with the video."""

    def __init__(self, options: Options) -> None:
        """Accept the options of the card; there are none."""

    def segment(self, video: Video, first_mask: Masks, progress: Progress = no_progress) -> Masks:
        """Masks of the video, bool (T, H, W); ``first_mask`` is not used.

        Raises:
            DataError: the video has no masks, because the simulator did not render it.
        """
        if video.masks is None:
            raise DataError(
                "the video has no masks: the simulator did not render it",
                "use --segmenter chroma for a plain background, or --segmenter sam2 for any other",
            )
        return video.masks
