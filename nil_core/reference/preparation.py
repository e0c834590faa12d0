"""Preparation of a reference for the reward: aligned with the rollout, framed as the rollout is, and embedded."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from nil_core.components import Chosen
from nil_core.config import RunConfig
from nil_core.errors import DataError
from nil_core.reference.alignment import align
from nil_core.reference.generated import GeneratedReference
from nil_core.sim.scene import RobotScene
from nil_core.storage.cache import Arrays, cached, fingerprint
from nil_core.types import Frames, Masks, Progress, Reference, no_progress
from nil_core.video.box_framing import box_framed
from nil_core.video.clips import ClipEmbedder


def prepare(
    generated: GeneratedReference,
    config: RunConfig,
    encoder: Chosen,
    embedder: ClipEmbedder | None,
    stand: Masks | None = None,
    progress: Progress = no_progress,
    scene: RobotScene | None = None,
) -> Reference:
    """Align, frame and encode a video, and find the robot's motion.

    Args:
        generated, stand, scene: as for :func:`nil_core.reference.alignment.align`.
        config: tick rate, render size, length, alignment and framing.
        encoder: of the embeddings, for the cache.
        embedder: None if the video weight is zero: embeddings and features are then empty.
        progress: called during frame interpolation, motion recovery and embedding.

    Raises:
        DataError: as :func:`nil_core.reference.alignment.align`, or the encoder returns NaN.
        ConfigError: as :func:`nil_core.reference.alignment.align`.
    """
    video, settings, environment = generated.video, config.video, config.environment
    aligned = align(generated, config, stand, progress, scene)
    frames, masks, lags = aligned.frames, aligned.masks, None
    if settings.framing == "box":
        frames, masks, lags = box_framed(frames, masks, environment.tick_hz)
    if embedder is None:
        seen: Arrays = {name: np.empty((len(frames), 0), np.float32) for name in ("embeddings", "features")}
    else:
        key = fingerprint(frames, encoder.identity())
        seen, _ = cached("embeddings", key, lambda: _embed(embedder, frames, progress), ("embeddings", "features"))
    speed = video.facts.get("speed")
    provenance = {
        "tick_hz": environment.tick_hz,
        "alignment": settings.alignment,
        "framing": settings.framing,
        "first_frame": asdict(aligned.first_frame),
        "first_frame_aligned": settings.align_first_frame,
        "camera_put_back": aligned.camera_put_back,
    }
    return Reference(
        frames=frames,
        masks=masks,
        embeddings=seen["embeddings"],
        features=seen["features"],
        tick_hz=environment.tick_hz,
        target_speed=float(speed) if speed is not None else None,
        trajectory=aligned.trajectory,
        motion=aligned.motion,
        box_lags=lags,
        provenance={**generated.provenance, "aligned": provenance},
    )


def _embed(embedder: ClipEmbedder, frames: Frames, progress: Progress) -> Arrays:
    embeddings, features = embedder.embed_video(frames, progress)
    if not np.isfinite(embeddings).all():
        raise DataError("the encoder returned NaN for the reference", "report it to the encoder's author")
    return {"embeddings": embeddings, "features": features}
