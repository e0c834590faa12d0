"""The contracts of what makes, cuts out and sees videos."""

from __future__ import annotations

import json

import numpy as np

from nil_core.card import Capability, ComponentCard
from nil_core.interfaces import FrameWiseEncoder, Segmenter, VideoEncoder, VideoGenerator
from nil_core.testing.clips import moving_blob
from nil_core.types import GenerationRequest, Video, no_progress


def check_generator(generator: VideoGenerator, request: GenerationRequest) -> Video:
    """Whether a generator answers a request with a video; gives the video for further tests.

    Args:
        generator: ready to use.
        request: e.g. :func:`nil_core.testing.toy_request`.
    """
    assert isinstance(generator, VideoGenerator), "a generator has generate(request, progress)"
    calls: list[tuple[int, int]] = []

    def progress(done: int, total: int, what: str) -> None:
        assert 0 <= done <= total and what, f"progress({done}, {total}, {what!r}): 0 <= done <= total, and what it is"
        calls.append((done, total))

    first_frame, first_mask = request.first_frame.copy(), request.first_mask.copy()
    video = generator.generate(request, progress)
    assert isinstance(video, Video), f"generate() gives a Video, not {type(video).__name__}"
    assert len(video.frames) > 1, "a motion has more than one frame"
    assert calls, "progress is called while working"
    json.dumps(dict(video.facts), allow_nan=False)
    unchanged = (request.first_frame == first_frame).all() and (request.first_mask == first_mask).all()
    assert unchanged, "a generator never writes into the request"
    assert video.masks is None or video.masks.any(axis=(1, 2)).all(), "drawn masks show the robot in every frame"
    return video


def check_segmenter(segmenter: Segmenter, video: Video | None = None, least_iou: float = 0.7) -> None:
    """Whether a segmenter finds a textured blob on black, frame by frame.

    Args:
        segmenter: ready to use.
        video: with its true masks; :func:`nil_core.testing.moving_blob` unless given.
        least_iou: overlap with the truth that every frame must reach.
    """
    assert isinstance(segmenter, Segmenter), "a segmenter has segment(video, first_mask, progress)"
    video = video or moving_blob()
    assert video.masks is not None, "the check needs a video with its true masks"
    frames, first_mask = video.frames.copy(), video.masks[0].copy()
    masks = segmenter.segment(video, first_mask, no_progress)
    assert masks.dtype == np.bool_, f"masks are bool, not {masks.dtype}"
    assert masks.shape == video.frames.shape[:3], f"masks are (T, H, W) {video.frames.shape[:3]}, not {masks.shape}"
    assert (video.frames == frames).all() and (video.masks[0] == first_mask).all(), "a segmenter never writes its input"
    iou = (masks & video.masks).sum(axis=(1, 2)) / (masks | video.masks).sum(axis=(1, 2))
    assert iou.min() >= least_iou, f"frame {iou.argmin()} overlaps the truth by {iou.min():.2f} only"


def check_encoder(encoder: VideoEncoder, card: ComponentCard, tolerance: float = 1e-4) -> None:
    """Whether an encoder gives one finite vector a clip, alone or in a batch, and tells clips apart.

    Args:
        encoder: ready to use.
        card: says whether it is frame-wise.
        tolerance: what counts as rounding, relative to the largest entry.
    """
    assert isinstance(encoder, VideoEncoder), "an encoder has clip_length, frame_size and encode(clips)"
    length, size = encoder.clip_length, encoder.frame_size
    assert length >= 1 and size >= 1, f"clip_length and frame_size are positive: {length}, {size}"
    frames = moving_blob(frames=length + 2, height=size, width=size).frames
    clips = np.stack([frames[start : start + length] for start in range(3)])
    before = clips.copy()
    embeddings = encoder.encode(clips)
    assert (clips == before).all(), "an encoder never writes its input"
    assert embeddings.dtype == np.float32, f"embeddings are float32, not {embeddings.dtype}"
    assert embeddings.ndim == 2 and len(embeddings) == 3, f"embeddings are (B, D) with B = 3, not {embeddings.shape}"
    assert np.isfinite(embeddings).all(), "embeddings are finite"
    rounding = tolerance * np.abs(embeddings).max()
    alone = np.concatenate([encoder.encode(clip[None]) for clip in clips])
    assert alone.shape == embeddings.shape, "D is the same for every call"
    assert np.abs(alone - embeddings).max() <= rounding, "a clip gives the same embedding alone and in a batch"
    assert np.abs(embeddings[0] - embeddings[2]).max() > rounding, "different clips give different embeddings"
    blank = encoder.encode(np.zeros_like(clips[:1]))
    assert np.isfinite(blank).all(), "a black clip has a finite embedding too"
    if not card.can(Capability.FRAME_WISE):
        return
    assert isinstance(encoder, FrameWiseEncoder), "a frame-wise encoder has encode_frames(frames)"
    features = encoder.encode_frames(clips.reshape(-1, size, size, 3))
    assert features.dtype == np.float32 and features.ndim == 2, "features are float32 (B, F)"
    joined = features.reshape(3, -1)
    assert joined.shape == embeddings.shape, f"D = L * F: {embeddings.shape[1]} is not {joined.shape[1]}"
    assert np.abs(joined - embeddings).max() <= rounding, "encode(clip) is its frames' features, concatenated"
