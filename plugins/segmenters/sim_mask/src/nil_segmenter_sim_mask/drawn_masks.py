"""Hands on the masks that came with a drawn video."""

from __future__ import annotations

from nil_core.api import DataError, Masks, Options, Progress, Video, no_progress


class DrawnMasks:
    """Exact masks, at no cost, where the generator had them when it drew the video."""

    def __init__(self, options: Options) -> None:
        """There are no options."""

    def segment(self, video: Video, first_mask: Masks, progress: Progress = no_progress) -> Masks:
        """The video's own masks, bool (T, H, W); ``first_mask`` is not needed.

        Raises:
            DataError: the video was not drawn by the simulator, so it has none.
        """
        if video.masks is None:
            raise DataError(
                "the video carries no masks: no simulator drew it",
                "key it against its plain background with --segmenter chroma, or track the robot with --segmenter sam2",
            )
        return video.masks
