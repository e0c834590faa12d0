"""From a video to what the reward compares with: a picture per tick, as the rollout shows them, and its embeddings."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from nil_core.components import Chosen
from nil_core.config import RunConfig
from nil_core.errors import DataError
from nil_core.reference.agreement import Agreement, agreement
from nil_core.reference.alignment import Between, Moments, at_ticks, method, moments, trajectory_at_ticks
from nil_core.reference.framing import enclosing_square, to_square
from nil_core.reference.imagined import Imagined
from nil_core.reference.mask_quality import check_masks
from nil_core.reference.motion_source import find_motion
from nil_core.reward.framing import box_framed, box_lags, crop
from nil_core.reward.windows import ClipEmbedder
from nil_core.runs.cache import Arrays, fingerprint, remember
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles, Frames, Masks, Progress, Reference, Window, no_progress

PIECE = 32
"""Ticks that are drawn and kept at once: what an interruption costs."""


@dataclass(frozen=True)
class Aligned:
    """A video at the tick rate, as the renderer would show it.

    Attributes:
        frames, masks: uint8 (T, S, S, 3), robot on black, and bool (T, S, S).
        trajectory: float64 (T, nq), what the generator drew, if it knows.
        first_frame: how well its first frame lies on the robot that learns.
    """

    frames: Frames
    masks: Masks
    trajectory: Doubles | None
    first_frame: Agreement


def align(
    imagined: Imagined, config: RunConfig, stand: Masks | None = None, progress: Progress = no_progress
) -> Aligned:
    """What each tick shows. Args and raises as :func:`prepare`."""
    video, settings = imagined.video, config.video
    agreed = agreement(imagined.masks[0], video.window, imagined.first_mask if stand is None else stand)
    window = agreed.window if settings.align_first_frame else video.window
    seconds = settings.seconds or imagined.provenance.get("seconds", video.seconds)  # unset: as long as it was made
    at = moments(len(video.frames), video.fps, config.environment.tick_hz, seconds, settings.alignment)
    frames, masks = _squares(imagined, at, window, config, progress)
    check_masks(masks)
    trajectory = None if video.trajectory is None else trajectory_at_ticks(video.trajectory, at)
    return Aligned(frames, masks, trajectory, agreed)


def prepare(
    imagined: Imagined,
    config: RunConfig,
    encoder: Chosen,
    embedder: ClipEmbedder | None,
    stand: Masks | None = None,
    progress: Progress = no_progress,
    scene: RobotScene | None = None,
) -> Reference:
    """Align, frame and encode, and find the robot's motion.

    Args:
        imagined: from :func:`nil_core.reference.builder.imagine`, or from an earlier run's folder.
        config: tick rate, render size, length, alignment and framing.
        encoder: whose embeddings they are, for the cache.
        embedder: None where the video weight is zero: embeddings and features are then empty.
        stand: bool (S, S), the robot that learns, as it stands; default: the one that the video was made for.
        progress: told where pictures are drawn between frames, and how much of the video is embedded.
        scene: the robot that learns; without it no motion is looked for.

    Raises:
        DataError: too short, no robot, or an encoder that gives NaN.
        ConfigError: the alignment, or the motion, lacks what it needs.
    """
    video, settings, environment = imagined.video, config.video, config.environment
    aligned = align(imagined, config, stand, progress)
    frames, masks, trajectory = aligned.frames, aligned.masks, aligned.trajectory
    motion = None if scene is None else find_motion(config, scene, frames, masks, trajectory, progress)
    lags = box_lags(masks, environment.tick_hz) if settings.framing == "box" else None
    if settings.framing == "box":
        frames, masks = box_framed(frames, masks, environment.tick_hz)
    if embedder is None:
        seen: Arrays = {name: np.empty((len(frames), 0), np.float32) for name in ("embeddings", "features")}
    else:
        key = fingerprint(frames, encoder.identity())
        seen, _ = remember("embeddings", key, lambda: _embed(embedder, frames, progress), ("embeddings", "features"))
    speed = video.facts.get("speed")
    provenance = {
        "tick_hz": environment.tick_hz,
        "alignment": settings.alignment,
        "framing": settings.framing,
        "first_frame": asdict(aligned.first_frame),
        "first_frame_aligned": settings.align_first_frame,
    }
    return Reference(
        frames=frames,
        masks=masks,
        embeddings=seen["embeddings"],
        features=seen["features"],
        tick_hz=environment.tick_hz,
        target_speed=float(speed) if speed is not None else None,
        trajectory=trajectory,
        motion=motion,
        box_lags=lags,
        provenance={**imagined.provenance, "aligned": provenance},
    )


def _squares(
    imagined: Imagined, at: Moments, window: Window | None, config: RunConfig, progress: Progress
) -> tuple[Frames, Masks]:
    """What each tick shows, at the render size."""
    video, size = imagined.video, config.environment.render_size
    if not at.shares.any():
        return to_square(video.frames[at.rows], imagined.masks[at.rows], size, window)
    between = method(config.video, config.device)
    window = window or enclosing_square(video.frames.shape[2], video.frames.shape[1])
    weights = config.video.rife_weights
    key = fingerprint(
        video.frames[: at.rows[-1] + 2],
        imagined.masks[: at.rows[-1] + 2],
        [window, size, config.video.alignment],
        weights.expanduser().read_bytes() if config.video.alignment == "rife" and weights else "",
    )
    parts: list[Arrays] = []
    for start in range(0, len(at.rows), PIECE):
        piece = Moments(at.rows[start : start + PIECE], at.shares[start : start + PIECE])
        parts.append(_drawn(key, imagined, piece, between, window, size))
        progress(min(start + PIECE, len(at.rows)), len(at.rows), "ticks drawn between frames")
    return np.concatenate([part["frames"] for part in parts]), np.concatenate([part["masks"] for part in parts])


def _drawn(key: str, imagined: Imagined, at: Moments, between: Between, window: Window, size: int) -> Arrays:
    def draw() -> Arrays:
        pictures = at_ticks(imagined.video.frames, imagined.masks, at, between)
        squares = [crop(frame, mask, window, size) for frame, mask in pictures]
        return {"frames": np.stack([frame for frame, _ in squares]), "masks": np.stack([mask for _, mask in squares])}

    return remember("aligned", fingerprint(key, at.rows, at.shares), draw, ("frames", "masks"))[0]


def _embed(embedder: ClipEmbedder, frames: Frames, progress: Progress) -> Arrays:
    embeddings, features = embedder.embed_video(frames, progress)
    if not np.isfinite(embeddings).all():
        raise DataError("the encoder gave NaN for the reference", "report it to the encoder's author")
    return {"embeddings": embeddings, "features": features}
