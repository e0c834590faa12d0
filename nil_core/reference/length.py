"""Whether a video is as long as was asked: said where it is not, refused where it cannot serve."""

from __future__ import annotations

from nil_core.config import VideoSettings
from nil_core.errors import DataError
from nil_core.types import GenerationRequest, RobotSpec, Video

SLACK = 0.02
"""Share of the wished length by which a video may differ without a word, beside one and a half frames."""


def wished_seconds(settings: VideoSettings, spec: RobotSpec) -> float:
    """Length to ask of a generator: the config's, else the robot's own."""
    return spec.reference_seconds if settings.seconds is None else settings.seconds


def check_length(video: Video, request: GenerationRequest) -> list[str]:
    """Compare a video's own rate and length with what was asked.

    Returns:
        remarks for a person, one line each.

    Raises:
        DataError: it does not last for one tick.
    """
    frames, fps, wished = len(video.frames), video.fps, request.seconds
    if video.seconds * request.fps < 1 - 1e-6:
        raise DataError(
            f"the video is too short: {frames} frame(s) at {fps:g} fps, less than one tick at {request.fps:g} Hz",
            "a video to imitate shows the robot for a second or more",
        )
    slack = 1.5 / fps + SLACK * wished
    lasts = f"the video has {frames} frames at {fps:g} fps, {video.seconds:.2f} s, and {wished:g} s were asked for"
    if video.seconds < wished - slack:
        return [f"{lasts}: episodes will be that short"]
    if video.seconds > wished + slack:
        return [f"{lasts}: the rest is left out; --set video.seconds={video.seconds:.2f} uses all of it"]
    return []
