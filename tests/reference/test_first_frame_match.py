"""Comparison of the first frames of reference and rollout, and the crop that aligns them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_core.errors import DataError
from nil_core.reference.first_frame_match import first_frame_match
from nil_core.types import Masks


def robot(size: int, height: int, width: int, left: float, top: float, scale: float) -> Masks:
    """A body with a head in front, at a given position and size (in shares of ``size``)."""
    y, x = np.mgrid[:height, :width] + 0.5
    x, y = (x / size - left) / scale, (y / size - top) / scale
    return ((abs(x - 0.25) < 0.25) & (abs(y - 0.15) < 0.15)) | ((abs(x - 0.55) < 0.1) & (abs(y - 0.05) < 0.05))


STAND = robot(200, 200, 200, 0.2, 0.3, 1.0)


def test_the_same_mask_agrees_with_itself() -> None:
    found = first_frame_match(STAND, None, STAND)
    assert (found.scale, found.right, found.down, found.overlap) == (1.0, 0.0, 0.0, 1.0)
    assert found.reference_box == found.rollout_box == (0.2, 0.3, 0.65, 0.3)
    assert found.crop_box == pytest.approx((0, 0, 200)) and found.close and "matches" in str(found)


@settings(deadline=None)
@given(st.floats(0.6, 1.4), st.floats(0.0, 0.15), st.floats(0.05, 0.3), st.sampled_from([(200, 200), (240, 320)]))
def test_the_window_found_makes_the_first_frames_agree(
    scale: float, left: float, top: float, shape: tuple[int, int]
) -> None:
    mask = robot(200, *shape, left, top, scale)
    window = (0.0, 0.0, 200.0)
    found = first_frame_match(mask, window, STAND)
    assert found.scale == pytest.approx(scale, rel=0.03)
    after = first_frame_match(mask, found.crop_box, STAND)
    assert after.overlap > 0.9 and after.scale == pytest.approx(1.0, abs=0.02)
    assert max(abs(after.right), abs(after.down)) < 0.01


def test_the_text_says_size_and_offset() -> None:
    text = str(first_frame_match(robot(200, 200, 200, 0.1, 0.3, 1.0), None, STAND))
    assert text.startswith("first frame: the robot is 1.00 times as large as the simulator's, and 10.0% left and 0.0%")


def test_no_robot_in_the_square_is_refused() -> None:
    with pytest.raises(DataError, match="empty"):
        first_frame_match(STAND, (150.0, 150.0, 50.0), STAND)
    with pytest.raises(DataError, match="empty"):
        first_frame_match(STAND, None, np.zeros_like(STAND))
