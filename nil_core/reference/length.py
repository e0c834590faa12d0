"""Check of a video's length: a remark if it differs from the request, an error if it is too short."""

from __future__ import annotations

from nil_core.config import VideoSettings
from nil_core.types import GenerationRequest, RobotSpec, Video
from nil_core.video.interpolation import hold

TOLERANCE = 0.02
"""Share of the requested length by which a video may differ without a remark, plus 1.5 frames."""


def requested_seconds(settings: VideoSettings, spec: RobotSpec) -> float:
    """Length to request from a generator: the config's, else the robot's default."""
    return spec.reference_seconds if settings.seconds is None else settings.seconds


def check_length(video: Video, request: GenerationRequest) -> list[str]:
    """Compare a video's frame rate and length with the request.

    Returns:
        remarks for the user, one line each.

    Raises:
        DataError: it is shorter than one tick.
    """
    frames, fps, requested = len(video.frames), video.fps, request.seconds
    hold(frames, fps, request.fps)  # refuses one that is too short
    tolerance = 1.5 / fps + TOLERANCE * requested
    length = f"the video has {frames} frames at {fps:g} fps, {video.seconds:.2f} s, and {requested:g} s were requested"
    if video.seconds < requested - tolerance:
        return [f"{length}: episodes will be that short"]
    if video.seconds > requested + tolerance:
        return [f"{length}: the rest is left out; --set video.seconds={video.seconds:.2f} uses all of it"]
    return []
