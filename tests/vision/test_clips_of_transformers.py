"""The paper's clips with real video transformers, small and random: their frames at t < 7, and after."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nil_core import registry
from nil_core.video.clips import ClipEmbedder, RollingClips


def encoder(name: str, stride: int = 1) -> Any:
    return registry.build("encoder", name, {"weights": "random-tiny", "stride": stride, "device": "cpu"})


def embedder(name: str, stride: int = 1) -> ClipEmbedder:
    return ClipEmbedder(encoder(name, stride), frame_wise=False)


def moving_square(length: int, size: int = 64) -> np.ndarray:
    frames = np.zeros((length, size, size, 3), np.uint8)
    for t in range(length):
        frames[t, 20:44, (2 * t) % 40 : (2 * t) % 40 + 16] = 60 + 5 * t
    return frames


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("name", ["timesformer", "videomae"])
def test_the_frames_of_each_clip(name: str, stride: int) -> None:
    frames, all_frames_encoder = moving_square(7 * stride + 4), encoder(name)
    embeddings, features = embedder(name, stride).embed_video(frames)
    assert np.array_equal(features, embeddings)

    def encode_frames(*indices: int) -> np.ndarray:
        row: np.ndarray = all_frames_encoder.encode(frames[list(indices)][None])[0]
        return row

    def close(row: np.ndarray, other: np.ndarray) -> bool:
        return bool(np.allclose(row, other, atol=1e-4))

    assert close(embeddings[0], encode_frames(*[0] * 8))
    assert close(embeddings[6], encode_frames(*[0] * 7, 6))
    last = 7 * stride + 2
    assert close(embeddings[last], encode_frames(*range(2, last + 1, stride)))
    assert not close(embeddings[6], embeddings[0]) and not close(embeddings[last], embeddings[6])


@pytest.mark.parametrize("name", ["timesformer", "videomae"])
def test_clips_of_running_episodes_equal_those_of_a_video(name: str) -> None:
    embed = embedder(name)
    frames = moving_square(12)
    expected, _ = embed.embed_video(frames)
    rolling = RollingClips(embed, 2)
    found: dict[int, list[np.ndarray]] = {0: [], 1: []}
    for t in range(0, 12, 3):  # three ticks of two environments in one batch
        ticks = [t, t, t + 1, t + 1, t + 2, t + 2]
        rows = iter(rolling.embed([0, 1] * 3, ticks, frames[ticks]))
        for i, tick in zip([0, 1] * 3, ticks, strict=True):
            if tick:
                found[i].append(next(rows))
    for rows_of_one in found.values():
        assert np.allclose(rows_of_one, expected[1:], atol=1e-4)
