"""The paper's clip windows: the rule itself, and that running episodes see what a whole video sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_core.types import Reference
from nil_core.video.clips import ClipEmbedder, RollingClips, clip_indices, resize

SIZE = 4


@dataclass
class Flat:
    """Frame-wise: features are the pixels. Counts the frames it is shown."""

    clip_length: int = 8
    frame_size: int = SIZE
    seen: int = 0

    def encode_frames(self, frames: np.ndarray) -> np.ndarray:
        self.seen += len(frames)
        return frames.reshape(len(frames), -1).astype(np.float32)

    def encode(self, clips: np.ndarray) -> np.ndarray:
        return np.concatenate([self.encode_frames(clips[:, i]) for i in range(self.clip_length)], axis=1)


@dataclass
class Motion:
    """Clip-wise: the order of the frames matters, as it does to a video transformer."""

    clip_length: int = 8
    frame_size: int = SIZE

    def encode(self, clips: np.ndarray) -> np.ndarray:
        weights = np.arange(1, self.clip_length + 1)[:, None, None, None]
        return (clips * weights).sum(axis=1).reshape(len(clips), -1).astype(np.float32)


def embedder(encoder: Flat | Motion) -> ClipEmbedder:
    return ClipEmbedder(encoder, frame_wise=isinstance(encoder, Flat))


def film(length: int, seed: int = 0, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (length, size, size, 3), np.uint8)


both = pytest.mark.parametrize("kind", [Flat, Motion])


def test_the_rule_of_the_paper() -> None:
    assert clip_indices(0, 8).tolist() == [0] * 8
    assert clip_indices(1, 8).tolist() == [0, 0, 0, 0, 0, 0, 0, 1]
    assert clip_indices(6, 8).tolist() == [0, 0, 0, 0, 0, 0, 0, 6]
    assert clip_indices(7, 8).tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert clip_indices(8, 8).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert clip_indices(61, 8).tolist() == list(range(54, 62))


@settings(deadline=None)
@given(st.integers(0, 100), st.integers(1, 20))
def test_a_window_ends_at_its_time_and_shows_nothing_outside(t: int, length: int) -> None:
    indices = clip_indices(t, length)
    assert len(indices) == length and indices[-1] == t
    assert (np.diff(indices) >= 0).all() and indices[0] >= 0


@both
def test_a_video_is_embedded_window_by_window(kind: type[Flat | Motion]) -> None:
    frames, encoder = film(45), kind()  # more than one batch
    told: list[tuple[int, int, str]] = []
    embeddings, features = embedder(encoder).embed_video(frames, lambda *progress: told.append(progress))
    assert [done for done, _, _ in told] == ([8, 16, 24, 32, 40, 45] if kind is Motion else [])
    wanted = np.concatenate([encoder.encode(frames[clip_indices(t, 8)][None]) for t in range(45)])
    assert np.array_equal(embeddings, wanted) and embeddings.dtype == np.float32
    assert np.array_equal(features, encoder.encode_frames(frames) if isinstance(encoder, Flat) else embeddings)


def test_a_frame_wise_encoder_sees_every_frame_once() -> None:
    encoder = Flat()
    rolling = RollingClips(embedder(encoder), 1)
    frames = film(30)
    for t in range(30):
        rolling.embed([0], [t], frames[t : t + 1])
    assert encoder.seen == 30


@both
@settings(max_examples=40, deadline=None)
@given(data=st.data(), length=st.integers(1, 9))
def test_rolling_windows_equal_the_whole_video(kind: type[Flat | Motion], data: st.DataObject, length: int) -> None:
    """Three environments whose episodes end at different times, asked for whatever number of ticks at once."""
    embed = embedder(kind(clip_length=length))
    plans = [data.draw(st.lists(st.integers(1, 13), min_size=1, max_size=3)) for _ in range(3)]
    lives = [[(e, t) for e, ticks in enumerate(plan) for t in range(ticks + 1)] for plan in plans]
    films = {(i, e): film(ticks + 1, seed=97 * i + e) for i, plan in enumerate(plans) for e, ticks in enumerate(plan)}
    wanted = {key: embed.embed_video(frames)[0] for key, frames in films.items()}
    events = [(i, *moment) for step in range(60) for i, life in enumerate(lives) for moment in life[step : step + 1]]
    rolling, cursor = RollingClips(embed, 3), 0
    while cursor < len(events):
        batch = events[cursor : cursor + data.draw(st.integers(1, 9))]
        cursor += len(batch)
        got = rolling.embed(
            [i for i, _, _ in batch], [t for _, _, t in batch], np.stack([films[i, e][t] for i, e, t in batch])
        )
        expected = [wanted[i, e][t] for i, e, t in batch if t > 0]
        assert len(got) == len(expected)
        assert all(np.array_equal(row, other) for row, other in zip(got, expected, strict=True))


@both
@pytest.mark.parametrize("at", [0, 3, 7, 8, 20])
def test_windows_go_on_exactly_after_a_restore(kind: type[Flat | Motion], at: int) -> None:
    frames, embed = film(30), embedder(kind())
    rolling = RollingClips(embed, 2)  # the second environment has not begun
    for t in range(at + 1):
        rolling.embed([0], [t], frames[t : t + 1])
    resumed = RollingClips(embed, 2)
    resumed.restore(rolling.state())
    ticks = list(range(at + 1, 30))
    first, second = (r.embed([0] * len(ticks), ticks, frames[at + 1 :]) for r in (rolling, resumed))
    assert np.array_equal(first, second)


def test_frames_are_resized_for_the_encoder() -> None:
    frames = film(10, size=4 * SIZE)
    encoder = Flat(clip_length=2)
    embeddings, _ = embedder(encoder).embed_video(frames)
    assert embeddings.shape == (10, 2 * SIZE * SIZE * 3)
    assert np.array_equal(embeddings[3], encoder.encode(resize(frames, SIZE)[None, 2:4])[0])


def test_whole_factors_shrink_by_means() -> None:
    frames = film(3, size=12)
    blocks = [[frames[:, 3 * y : 3 * y + 3, 3 * x : 3 * x + 3].mean(axis=(1, 2)) for x in range(4)] for y in range(4)]
    assert np.array_equal(resize(frames, 4), np.rint(np.array(blocks).transpose(2, 0, 1, 3)))


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 255))
def test_a_plain_frame_stays_plain_at_any_size(side: int, size: int, level: int) -> None:
    resized = resize(np.full((2, side, side, 3), level, np.uint8), size)
    assert resized.shape == (2, size, size, 3) and resized.dtype == np.uint8
    assert (resized == level).all()


@pytest.mark.parametrize(("side", "size"), [(7, 5), (5, 7), (64, 48), (20, 31)])
def test_other_factors_are_bilinear_between_pixel_centers(side: int, size: int) -> None:
    ramp = np.broadcast_to(np.linspace(20, 220, side)[:, None, None], (side, side, 3))
    for frame, axis in ((ramp, 0), (ramp.swapaxes(0, 1), 1)):
        resized = resize(np.rint(frame).astype(np.uint8)[None], size)[0]
        centers = (np.arange(size) + 0.5) / size * side - 0.5
        wanted = np.interp(centers, np.arange(side), np.linspace(20, 220, side))
        assert np.abs(resized.take(0, axis=1 - axis)[:, 0] - wanted).max() <= 1.01


@both
@settings(max_examples=40, deadline=None)
@given(data=st.data(), length=st.integers(1, 9), start=st.integers(0, 29))
def test_windows_of_a_later_start_are_filled_from_the_reference(
    kind: type[Flat | Motion], data: st.DataObject, length: int, start: int
) -> None:
    """Of an episode that starts in the reference's own frame of that tick and goes on as it does."""
    frames, encoder = film(31, size=2 * SIZE), kind(clip_length=length)
    embed = embedder(encoder)
    wanted, features = embed.embed_video(frames)
    reference = Reference(frames, frames[..., 0] > 0, wanted, features, 25.0)
    rolling = RollingClips(embed, 1, reference)
    ticks = [-start, *range(start + 1, 31)]
    cut = data.draw(st.integers(0, len(ticks)))
    got = [rolling.embed([0] * len(part), part, frames[np.abs(part)]) for part in (ticks[:cut], ticks[cut:]) if part]
    assert np.array_equal(np.concatenate([rows for rows in got if len(rows)]), wanted[start + 1 :])


@both
@settings(max_examples=40, deadline=None)
@given(length=st.integers(1, 9), start=st.integers(0, 29))
def test_a_later_start_that_differs_is_the_reference_up_to_it(
    kind: type[Flat | Motion], length: int, start: int
) -> None:
    """As of a video that is the reference's before the start, and the rollout's from there on."""
    frames, others, embed = film(31), film(31, seed=1), embedder(kind(clip_length=length))
    reference = Reference(frames, frames[..., 0] > 0, *embed.embed_video(frames), tick_hz=25.0)
    mixed = np.concatenate([frames[:start], others[start:]])
    rolling = RollingClips(embed, 1, reference)
    rolling.embed([0], [-start], others[start : start + 1])
    resumed = RollingClips(embed, 1, reference)
    resumed.restore(rolling.state())
    ticks = list(range(start + 1, 31))
    for windows in (rolling, resumed):
        got = windows.embed([0] * len(ticks), ticks, others[start + 1 :])
        assert np.array_equal(got, embed.embed_video(mixed)[0][start + 1 :])
