"""Mask quality: areas, jumps, lost robots, and rejected masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_core.errors import DataError
from nil_core.reference.mask_quality import check_masks, measure
from nil_core.testing import moving_blob


def square(tops: list[int], sides: list[int]) -> np.ndarray:
    masks = np.zeros((len(tops), 40, 40), bool)
    for mask, top, side in zip(masks, tops, sides, strict=True):
        mask[top : top + side, 5 : 5 + side] = True
    return masks


def test_a_robot_that_walks_raises_no_doubt() -> None:
    quality = measure(moving_blob(20, 48, 64, 25.0).masks)
    assert not quality.doubtful and "no jumps, never lost" in str(quality)


def test_areas_are_shares_of_the_frame() -> None:
    quality = measure(square([3, 3, 3], [8, 9, 10]))
    assert (quality.smallest, quality.median, quality.largest) == (0.04, 0.0506, 0.0625)


def test_a_leap_in_place_and_one_in_size_are_jumps() -> None:
    assert measure(square([0, 0, 28, 28], [10] * 4)).jumps == (2,)
    assert measure(square([0] * 4, [10, 10, 13, 13])).jumps == (2,)


def test_a_robot_that_fades_is_lost_without_a_jump() -> None:
    quality = measure(square([0] * 9, [20, 17, 15, 13, 11, 10, 9, 8, 7]))
    assert quality.jumps == () and quality.lost == (6, 7, 8)
    assert "robot lost in frames 6, 7, 8" in str(quality) and quality.doubtful


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30))
def test_any_masks_can_be_measured(sides: list[int]) -> None:
    quality = measure(square([0] * len(sides), sides))
    assert quality.smallest <= quality.median <= quality.largest
    assert 0 not in quality.jumps and str(quality)


@pytest.mark.parametrize(("side", "says"), [(0, "is empty in frame 1"), (40, "fills more than 90%")])
def test_masks_that_show_nothing_or_all_are_refused(side: int, says: str) -> None:
    masks = square([0, 0], [10, side]) if side == 0 else np.ones((2, 40, 40), bool)
    with pytest.raises(DataError, match=says):
        check_masks(masks)
