"""The square about the robot: the same for reference and rollout, smooth, causal, and saved with a run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_core.testing import moving_blob
from nil_core.types import Frames, Masks
from nil_core.video.box_framing import MARGIN, SMOOTHING, BoxFraming, box_framed

SIZE = 64


def film(ticks: int = 20) -> tuple[Frames, Masks]:
    video = moving_blob(ticks, SIZE, SIZE)
    assert video.masks is not None
    return video.frames, video.masks


def box(mask: Masks) -> tuple[int, int, int, int]:
    (top, left), (bottom, right) = np.argwhere(mask).min(axis=0), np.argwhere(mask).max(axis=0) + 1
    return left, top, right, bottom


def test_the_first_square_is_the_padded_box() -> None:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[20:30, 10:50] = True
    framing = BoxFraming(1, 25.0)
    frame, seen = framing.take(0, np.full((SIZE, SIZE, 3), 200, np.uint8), mask, first=True)
    assert framing.crop_boxes[0] == pytest.approx([6, 1, 48])
    left, top, right, bottom = box(seen)
    assert (left, right) == pytest.approx((SIZE / 12, SIZE * 11 / 12), abs=1)
    assert (top + bottom) / 2 == pytest.approx(SIZE / 2, abs=1)
    assert (frame[seen] >= 198).all() and not frame[~seen].any(), "no black creeps into the robot's edge"


def test_a_sudden_change_is_made_up_for_smoothly() -> None:
    """Two thirds after the smoothing time, whatever the tick rate; and no overshoot."""
    before, after = np.zeros((2, SIZE, SIZE), bool)
    before[20:40, 10:30] = after[20:40, 30:50] = True
    blank = np.zeros((SIZE, SIZE, 3), np.uint8)
    for tick_hz in (20.0, 100.0):
        framing = BoxFraming(1, tick_hz)
        framing.take(0, blank, before, first=True)
        lefts = [framing.crop_boxes[0, 0]]
        for _ in range(round(SMOOTHING * tick_hz)):
            framing.take(0, blank, after, first=False)
            lefts.append(framing.crop_boxes[0, 0])
        assert (np.diff(lefts) > 0).all()
        assert (lefts[-1] - lefts[0]) / 20 == pytest.approx(1 - 1 / np.e, rel=1e-6)


def test_where_the_robot_is_lost_the_square_stays() -> None:
    frames, masks = film(2)
    framing = BoxFraming(1, 25.0)
    framing.take(0, frames[0], masks[0], first=True)
    before = framing.crop_boxes.copy()
    _, seen = framing.take(0, frames[1], np.zeros_like(masks[1]), first=False)
    assert np.array_equal(framing.crop_boxes, before) and not seen.any()
    framing.take(0, frames[1], np.zeros_like(masks[1]), first=True)
    assert framing.crop_boxes[0].tolist() == [0, 0, SIZE]


def test_a_rollout_that_shows_the_reference_is_framed_as_the_reference_is() -> None:
    """Among other environments, and with a checkpoint in the middle."""
    frames, masks = film()
    wanted, robots, _ = box_framed(frames, masks, 25.0)
    framing = BoxFraming(3, 25.0)
    for t in range(len(frames)):
        if t == 9:
            saved, framing = framing.crop_boxes, BoxFraming(3, 25.0)
            framing.crop_boxes = saved.copy()
        for i, moment in enumerate((frames[::-1][t], frames[t], np.zeros_like(frames[t]))):
            mask = moment.any(axis=-1) if i != 1 else masks[t]
            frame, seen = framing.take(i, moment, mask, first=t == 0)
            if i == 1:
                assert np.array_equal(frame, wanted[t]) and np.array_equal(seen, robots[t])


@settings(deadline=None)
@given(st.floats(0.5, 2.0), st.integers(0, 20), st.integers(0, 20))
def test_size_and_place_of_the_robot_do_not_matter(scale: float, left: int, top: int) -> None:
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    body = (abs((x - left) / scale - 8) < 8) & (abs((y - top) / scale - 5) < 5)
    blank = np.zeros((SIZE, SIZE, 3), np.uint8)
    _, seen = BoxFraming(1, 25.0).take(0, blank, body, first=True)
    across = SIZE / (1 + 2 * MARGIN)
    at = box(seen)
    whole = left > 0 and top > 0 and left + 16 * scale < SIZE and top + 10 * scale < SIZE
    if whole:
        assert at[2] - at[0] == pytest.approx(across, abs=4) and at[3] - at[1] == pytest.approx(across * 10 / 16, abs=8)
        assert at[0] + at[2] == pytest.approx(SIZE, abs=3) and at[1] + at[3] == pytest.approx(SIZE, abs=3)
