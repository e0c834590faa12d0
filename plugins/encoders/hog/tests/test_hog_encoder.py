"""HOG against a pixel-by-pixel implementation, and its symmetries."""

from __future__ import annotations

from math import atan2, floor, hypot, pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nil_core.api import DataError
from nil_encoder_hog import CARD, HogOptions
from nil_encoder_hog.hog_encoder import NORM_FLOOR, HogEncoder


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def pixel_by_pixel(frame: np.ndarray, cells: int, bins: int) -> np.ndarray:
    """The definition, as simple loops."""
    size = len(frame)
    side = size // cells
    luma = [[(77 * int(r) + 150 * int(g) + 29 * int(b)) / 256 for r, g, b in row] for row in frame]
    histograms = np.zeros((cells, cells, bins))
    for y in range(size):
        for x in range(size):
            dx = luma[y][x + 1] - luma[y][x - 1] if 0 < x < size - 1 else 0.0
            dy = luma[y + 1][x] - luma[y - 1][x] if 0 < y < size - 1 else 0.0
            position = (atan2(dy, dx) % pi) / pi * bins - 0.5
            fraction = position - floor(position)
            histograms[y // side, x // side, floor(position) % bins] += (1 - fraction) * hypot(dx, dy)
            histograms[y // side, x // side, (floor(position) + 1) % bins] += fraction * hypot(dx, dy)
    blocks = []
    for y in range(cells - 1):
        for x in range(cells - 1):
            block = histograms[y : y + 2, x : x + 2].ravel()
            blocks.append(block / sqrt((block**2).sum() + NORM_FLOOR**2))
    return np.concatenate(blocks)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(24, 3, 9), (16, 2, 4), (16, 4, 7)]), st.integers(1, 255))
def test_equals_the_definition(seed: int, layout: tuple[int, int, int], levels: int) -> None:
    size, cells, bins = layout
    frame = noise(size, size, 3, seed=seed) % np.uint8(levels)
    encoder = HogEncoder(HogOptions(frame_size=size, cells=cells, bins=bins))
    np.testing.assert_allclose(encoder.encode_frames(frame[None])[0], pixel_by_pixel(frame, cells, bins), atol=2e-5)


def test_default_size() -> None:
    encoder = HogEncoder(HogOptions())
    embedding = encoder.encode(noise(2, 8, 128, 128, 3))
    assert embedding.shape == (2, 8 * 1764) and embedding.dtype == np.float32


def test_clips_concatenate_frames_and_batches_concatenate_clips() -> None:
    encoder = HogEncoder(HogOptions(frame_size=32, clip_length=3))
    clips = noise(5, 3, 32, 32, 3)
    batch = encoder.encode(clips)
    for clip, embedding in zip(clips, batch, strict=True):
        np.testing.assert_array_equal(encoder.encode(clip[None])[0], embedding)
        np.testing.assert_array_equal(np.concatenate(encoder.encode_frames(clip)), embedding)


def test_non_contiguous_views_give_the_same_features() -> None:
    encoder = HogEncoder(HogOptions(frame_size=32))
    frames = noise(2, 32, 64, 3)[:, :, ::-2]
    np.testing.assert_array_equal(encoder.encode_frames(frames), encoder.encode_frames(frames.copy()))


@pytest.mark.parametrize("level", [0, 93, 255])
def test_uniform_frames_have_no_features(level: int) -> None:
    features = HogEncoder(HogOptions()).encode_frames(np.full((1, 128, 128, 3), level, np.uint8))
    assert not features.any()


def test_invariant_to_brightness_and_nearly_to_contrast() -> None:
    encoder = HogEncoder(HogOptions())
    dim = noise(1, 128, 128, 3) // 2
    features = encoder.encode_frames(dim)
    np.testing.assert_allclose(encoder.encode_frames(dim + np.uint8(100)), features, atol=1e-6)
    np.testing.assert_allclose(encoder.encode_frames(dim * 2), features, rtol=0.05)


def test_features_of_a_block_grow_gradually() -> None:
    """The features of one bright pixel have a small norm, those of a long edge nearly unit norm."""
    frames = np.zeros((2, 128, 128, 3), np.uint8)
    frames[0, 40, 40] = 255
    frames[1, :, 40:] = 255
    pixel, edge = np.linalg.norm(HogEncoder(HogOptions()).encode_frames(frames).reshape(2, 49, 36), axis=-1).max(1)
    assert 0 < pixel < 0.3 and 0.95 < edge < 1


def test_mirrored_frames_have_mirrored_cells_and_bins() -> None:
    encoder = HogEncoder(HogOptions(frame_size=64, cells=4))
    frames = noise(1, 64, 64, 3)
    frames[:, 20:40, 10:50] = 200  # vertical and horizontal edges: orientations at the borders of bins

    def blocks(images: np.ndarray) -> np.ndarray:
        return encoder.encode_frames(images).reshape(3, 3, 2, 2, 9)  # block y, x, cell y, x, bin

    np.testing.assert_allclose(blocks(frames[:, :, ::-1]), blocks(frames)[:, ::-1, :, ::-1, ::-1], atol=1e-5)


def test_an_edge_counts_in_the_bins_around_its_orientation() -> None:
    frames = np.zeros((2, 32, 32, 3), np.uint8)
    frames[0, :, 18:] = 255  # gradient along x: divided between the first and the last bin
    frames[1, 18:] = 255  # gradient along y: the middle bin
    vertical, horizontal = HogEncoder(HogOptions(frame_size=32, cells=2)).encode_frames(frames).reshape(2, 4, 9).sum(1)
    assert vertical[0] == pytest.approx(vertical[8], rel=1e-4) and vertical[1:8].max() < 1e-4 < vertical[0]
    assert horizontal.argmax() == 4 and np.delete(horizontal, 4).max() < 1e-4


def test_no_frames_give_no_features() -> None:
    encoder = HogEncoder(HogOptions(frame_size=16))
    assert encoder.encode(np.zeros((0, 8, 16, 16, 3), np.uint8)).shape == (0, 8 * 1764)


def test_wrong_sizes_are_rejected() -> None:
    encoder = HogEncoder(HogOptions(frame_size=32, clip_length=2))
    with pytest.raises(DataError, match="32, 32"):
        encoder.encode_frames(noise(1, 64, 64, 3))
    with pytest.raises(DataError, match="float"):
        encoder.encode_frames(noise(1, 32, 32, 3).astype(float))
    with pytest.raises(DataError, match="clips of 2 frames"):
        encoder.encode(noise(1, 3, 32, 32, 3))


def test_cells_must_tile_the_frame() -> None:
    with pytest.raises(ValidationError, match="not a multiple"):
        CARD.config(frame_size=100)
