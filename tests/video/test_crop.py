"""From a video's size to the square of reward and encoder, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_core.errors import DataError
from nil_core.testing import moving_blob
from nil_core.video.crop import central_square, crop, fit_mask, letterbox, to_square
from nil_core.video.masks import iou

sides = st.integers(16, 90)


def test_a_square_of_the_right_size_is_only_masked() -> None:
    blob = moving_blob(3, 32, 32)
    frames, masks = to_square(np.full_like(blob.frames, 200), blob.masks, 32)
    assert (frames[masks] == 200).all() and (frames[~masks] == 0).all()
    assert np.array_equal(masks, blob.masks)


@pytest.mark.parametrize(("height", "width"), [(48, 96), (96, 48), (96, 96)])
def test_a_video_is_padded_with_black_about_its_center(height: int, width: int) -> None:
    frames = np.full((2, height, width, 3), 200, np.uint8)
    square, masks = to_square(frames, np.ones((2, height, width), bool), 96)
    bands = np.zeros((96, 96), bool)
    bands[(96 - height) // 2 : (96 + height) // 2, (96 - width) // 2 : (96 + width) // 2] = True
    assert (masks == bands).all()
    assert np.array_equal(square, np.where(bands[None, ..., None], frames.max(), 0).repeat(2, 0).repeat(3, -1))


@settings(deadline=None)
@given(sides, sides, st.integers(16, 64))
def test_shapes_types_and_black_where_the_mask_is_false(height: int, width: int, size: int) -> None:
    blob = moving_blob(2, height, width)
    frames, masks = to_square(blob.frames, blob.masks, size)
    assert (frames.shape, frames.dtype) == ((2, size, size, 3), np.uint8)
    assert (masks.shape, masks.dtype) == ((2, size, size), np.bool_)
    assert not frames[~masks].any()


@settings(deadline=None)
@given(sides, sides, st.integers(32, 64))
def test_the_robot_keeps_its_share_and_its_place(height: int, width: int, size: int) -> None:
    blob, side = moving_blob(2, height, width), max(height, width)
    _, masks = to_square(blob.frames, blob.masks, size)
    assert masks.mean() == pytest.approx(blob.masks.mean() * height * width / side**2, rel=0.25, abs=0.01)
    rows, columns = np.nonzero(masks[0])
    true_rows, true_columns = np.nonzero(blob.masks[0])
    center = np.array([true_rows.mean() + (side - height) / 2, true_columns.mean() + (side - width) / 2])
    got = (np.array([rows.mean(), columns.mean()]) + 0.5) / size
    assert np.abs(got - (center + 0.5) / side).max() < 0.04


def test_shrinking_by_a_whole_factor_is_a_majority_of_pixels() -> None:
    masks = np.zeros((1, 8, 8), bool)
    masks[0, :4, :3], masks[0, 4:, 4] = True, True  # 12 of 16 pixels; 4 of 16
    _, small = to_square(np.full((1, 8, 8, 3), 9, np.uint8), masks, 2)
    assert small[0].tolist() == [[True, False], [False, False]]


@settings(deadline=None)
@given(sides, sides, st.sampled_from([32, 64, 128]))
def test_the_first_mask_fits_the_video_as_the_video_fits_the_square(height: int, width: int, size: int) -> None:
    blob = moving_blob(1, height, width)
    _, square = to_square(blob.frames, blob.masks, size)
    back = fit_mask(square[0], height, width)
    assert (back.shape, back.dtype) == ((height, width), np.bool_)
    assert iou(back[None], blob.masks)[0] > (0.9 if max(height, width) <= size else 0.6)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (40, 64), (64, 40)])
def test_a_mask_of_the_same_side_is_cut_out_exactly(height: int, width: int) -> None:
    mask = np.random.default_rng(0).random((64, 64)) < 0.5
    top, left = (64 - height) // 2, (64 - width) // 2
    assert np.array_equal(fit_mask(mask, height, width), mask[top : top + height, left : left + width])


@settings(deadline=None)
@given(sides, sides, sides)
def test_a_letterboxed_first_frame_lies_where_the_central_square_says(size: int, width: int, height: int) -> None:
    background = (0, 177, 64)
    first = np.full((size, size, 3), (250, 10, 10), np.uint8)
    boxed = letterbox(first, width, height, background)
    left, top, side = central_square(width, height)
    inside = np.zeros((height, width), bool)
    inside[top : top + side, left : left + side] = True
    assert (boxed[inside] == (250, 10, 10)).all() and (boxed[~inside] == background).all()
    assert np.array_equal(fit_mask(np.ones((size, size), bool), height, width, (left, top, side)), inside)


def test_only_a_square_is_letterboxed() -> None:
    with pytest.raises(DataError, match="20x10"):
        letterbox(np.zeros((10, 20, 3), np.uint8), 64, 64, (0, 0, 0))


@settings(deadline=None)
@given(st.floats(-60, 60), st.floats(-60, 60), st.floats(20, 150))
def test_any_window_shows_what_lies_in_it(left: float, top: float, side: float) -> None:
    """Against the same square taken pixel by pixel: the center of each pixel, looked up in the picture."""
    height, width, size = 70, 90, 40
    mask = np.zeros((height, width), bool)
    mask[20:50, 30:75] = True
    frame = np.full((height, width, 3), 180, np.uint8)
    _, got = crop(frame, mask, (left, top, side), size)
    across = left + (np.arange(size) + 0.5) * side / size
    down = top + (np.arange(size) + 0.5) * side / size
    wanted = ((down >= 20) & (down < 50))[:, None] & ((across >= 30) & (across < 75))
    assert (got != wanted).sum() <= 2 * 4 * size * 0.05 + 8, "edges may fall to either side"
