"""Alignment of a video with the rollout: a frame per tick, in the renderer's view, from a camera that does not move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nil_core.config import RunConfig
from nil_core.reference.first_frame_match import FirstFrameMatch, first_frame_match
from nil_core.reference.generated import GeneratedReference
from nil_core.reference.mask_quality import check_masks
from nil_core.reference.motion_source import find_motion
from nil_core.reference.steady_camera import steady_boxes, within
from nil_core.sim.scene import RobotScene
from nil_core.storage.cache import Arrays, cached, fingerprint
from nil_core.types import CropBox, Doubles, Frames, Masks, Motion, Progress, no_progress
from nil_core.video.crop import crop, enclosing_square, to_square
from nil_core.video.interpolation import FrameTimes, at_ticks, frame_times, method, trajectory_at_ticks
from nil_core.video.picture import Interpolate

TICKS_PER_PIECE = 32
"""Ticks that are interpolated and cached together: the most work that an interruption loses."""


@dataclass(frozen=True)
class Aligned:
    """A video at the tick rate, in the renderer's view.

    Attributes:
        frames, masks: uint8 (T, S, S, 3), robot on black, and bool (T, S, S).
        trajectory: float64 (T, nq), the generator's own motion, if known.
        first_frame: comparison of its first frame with the trained robot.
        motion: of the robot, where it is looked for and found.
        camera_put_back: whether a camera that moves was put back to where it was at first.
    """

    frames: Frames
    masks: Masks
    trajectory: Doubles | None
    first_frame: FirstFrameMatch
    motion: Motion | None = None
    camera_put_back: bool = False


def align(
    generated: GeneratedReference,
    config: RunConfig,
    stand: Masks | None = None,
    progress: Progress = no_progress,
    scene: RobotScene | None = None,
) -> Aligned:
    """Resample a video at the ticks, find the robot's motion, and put a camera that moves back.

    Args:
        generated: from :func:`nil_core.reference.generation.generate_reference`, or from an earlier run's folder.
        config: tick rate, render size, length and alignment.
        stand: bool (S, S), mask of the trained robot in its standing pose; default: of the robot that the video was
            made for.
        progress: called during frame interpolation and motion recovery.
        scene: the trained robot; without it no motion is looked for.

    Raises:
        DataError: the video is too short or shows no robot.
        ConfigError: the alignment or the motion needs something that is missing.
    """
    aligned = _resampled(generated, config, stand, progress)
    if scene is None:
        return aligned
    motion = find_motion(config, scene, aligned.frames, aligned.masks, aligned.trajectory, progress)
    boxes = steady_boxes(motion, config)
    if boxes is not None:
        aligned = _resampled(generated, config, stand, progress, boxes)
    return replace(aligned, motion=motion, camera_put_back=boxes is not None)


def _resampled(
    generated: GeneratedReference,
    config: RunConfig,
    stand: Masks | None,
    progress: Progress,
    boxes: Sequence[CropBox] | None = None,
) -> Aligned:
    """The video at the ticks; ``boxes`` is the part to show of each tick's square, see :func:`steady_boxes`."""
    video, settings = generated.video, config.video
    match = first_frame_match(generated.masks[0], video.crop_box, generated.first_mask if stand is None else stand)
    crop_box = match.crop_box if settings.align_first_frame else video.crop_box
    seconds = settings.seconds or generated.provenance.get("seconds", video.seconds)  # default: as generated
    at = frame_times(len(video.frames), video.fps, config.environment.tick_hz, seconds, settings.alignment)
    square = crop_box or enclosing_square(video.frames.shape[2], video.frames.shape[1])
    shown = within(square, boxes) if boxes else [square] * len(at.index)
    frames, masks = _squares(generated, at, shown, config, progress)
    check_masks(masks)
    trajectory = None if video.trajectory is None else trajectory_at_ticks(video.trajectory, at)
    return Aligned(frames, masks, trajectory, match)


def _squares(
    generated: GeneratedReference, at: FrameTimes, boxes: list[CropBox], config: RunConfig, progress: Progress
) -> tuple[Frames, Masks]:
    """Frames and masks at the ticks, cropped to a square for each tick, at the render size."""
    video, size = generated.video, config.environment.render_size
    if not at.fraction.any():
        return to_square(video.frames[at.index], generated.masks[at.index], size, boxes)
    interpolate = method(config.video, config.device)
    weights = config.video.rife_weights
    key = fingerprint(
        video.frames[: at.index[-1] + 2],
        generated.masks[: at.index[-1] + 2],
        [boxes, size, config.video.alignment],
        weights.expanduser().read_bytes() if config.video.alignment == "rife" and weights else "",
    )
    parts: list[Arrays] = []
    for start in range(0, len(at.index), TICKS_PER_PIECE):
        part = slice(start, start + TICKS_PER_PIECE)
        piece = FrameTimes(at.index[part], at.fraction[part])
        parts.append(_interpolated(key, generated, piece, interpolate, boxes[part], size))
        progress(min(start + TICKS_PER_PIECE, len(at.index)), len(at.index), "ticks interpolated")
    return np.concatenate([part["frames"] for part in parts]), np.concatenate([part["masks"] for part in parts])


def _interpolated(
    key: str,
    generated: GeneratedReference,
    at: FrameTimes,
    interpolate: Interpolate,
    boxes: Sequence[CropBox],
    size: int,
) -> Arrays:
    def draw() -> Arrays:
        pictures = at_ticks(generated.video.frames, generated.masks, at, interpolate)
        squares = [crop(frame, mask, box, size) for (frame, mask), box in zip(pictures, boxes, strict=True)]
        return {"frames": np.stack([frame for frame, _ in squares]), "masks": np.stack([mask for _, mask in squares])}

    return cached("aligned", fingerprint(key, at.index, at.fraction), draw, ("frames", "masks"))[0]
