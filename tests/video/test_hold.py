"""Video frames on reward ticks: the last frame whose time has come, by an exact second implementation."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_core.errors import DataError
from nil_core.video.interpolation import hold

RATES = [Fraction(n) for n in (8, 10, 12, 24, 25, 30, 50, 60)] + [Fraction(24000, 1001), Fraction(30000, 1001)]


def exact(frames: int, fps: Fraction, tick_hz: Fraction) -> list[int]:
    """Every tick up to the time of the last frame; the latest frame that is not in the future."""
    shown = []
    while (time := Fraction(len(shown)) / tick_hz) <= Fraction(frames - 1) / fps:
        shown.append(int(time * fps))
    return shown


@pytest.mark.parametrize(
    ("frames", "fps", "wanted"),
    [
        (25, 24, [0, *range(25)]),  # 24 fps: frame 0 is held once, and tick 25 shows frame 24
        (7, 30, [0, 1, 2, 3, 4, 6]),  # 30 fps: every sixth frame is skipped
        (4, 12, [0, 0, 0, 1, 1, 2, 2]),  # 12 fps: every frame is held for two ticks or three
        (5, 25, [0, 1, 2, 3, 4]),
        (9, 50, [0, 2, 4, 6, 8]),
    ],
)
def test_known_rates_at_25_ticks_a_second(frames: int, fps: int, wanted: list[int]) -> None:
    assert hold(frames, fps, 25.0).tolist() == wanted


@settings(deadline=None)
@given(st.integers(2, 60), st.sampled_from(RATES), st.sampled_from([Fraction(5), Fraction(25), Fraction(50)]))
def test_every_rate_agrees_with_exact_arithmetic(frames: int, fps: Fraction, tick_hz: Fraction) -> None:
    wanted = exact(frames, fps, tick_hz)
    if len(wanted) < 2:
        with pytest.raises(DataError, match="too short"):
            hold(frames, float(fps), float(tick_hz))
    else:
        assert hold(frames, float(fps), float(tick_hz)).tolist() == wanted


def test_a_single_frame_is_no_video() -> None:
    with pytest.raises(DataError, match=r"1 frame\(s\) at 25 fps") as caught:
        hold(1, 25.0, 25.0)
    assert caught.value.hint


def test_at_the_tick_rate_every_frame_is_a_row_however_long_the_video() -> None:
    for frames in range(2, 200):
        rows = hold(frames, 25.0, 25.0)
        assert rows.dtype == np.int64 and np.array_equal(rows, np.arange(frames))
