"""Comparison video, contact sheet and learning curve: the right pictures in the right places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nil_core.evaluation.artifacts import comparison, contact_sheet, write_comparison, write_curve
from nil_core.evaluation.rollout import Episode
from nil_core.types import Reference
from nil_core.video.files import read_image, read_video

SIZE, TICKS, SIDE = 64, 15, 256


def frame_times(length: int, color: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Plain frames that brighten with time, and masks whose first t rows are robot."""
    brightness = np.arange(1, length + 1)[:, None] / length
    frames = np.broadcast_to((np.array(color) * brightness).astype(np.uint8)[:, None, None], (length, SIZE, SIZE, 3))
    masks = np.arange(SIZE)[None, :, None] < np.arange(length)[:, None, None]
    return frames.copy(), np.broadcast_to(masks, (length, SIZE, SIZE)).copy()


def reference() -> Reference:
    frames, masks = frame_times(TICKS + 1, (255, 0, 0))
    return Reference(frames, masks, np.zeros((TICKS + 1, 1)), np.zeros((TICKS + 1, 1)), tick_hz=25.0)


def episode(lived: int) -> Episode:
    frames, masks = frame_times(lived + 1, (0, 0, 255))
    none = np.empty(0, np.float32)
    return Episode(none, none, {}, none, none, lived < TICKS, np.zeros((lived + 1, 7)), frames, masks)


@pytest.mark.parametrize("lived", [TICKS, 6])
def test_reference_left_rollout_right_masks_below_as_long_as_both_last(lived: int) -> None:
    video = comparison(reference(), episode(lived))
    assert len(video) == lived + 1 and video.dtype == np.uint8
    height, width = video.shape[1:3]
    corners = {"reference": (5, 5), "rollout": (5, width - 5)}
    for t in (0, lived):
        assert np.array_equal(video[t][corners["reference"]], reference().frames[t, 0, 0])
        assert np.array_equal(video[t][corners["rollout"]], episode(lived).frames[t, 0, 0])
    for x in (5, width - 5):
        column = video[3, height // 2 :, x]
        assert (column[: 3 * SIDE // SIZE] == 255).all() and not column[3 * SIDE // SIZE :].any()


def test_the_contact_sheet_shows_the_same_times_above_each_other() -> None:
    sheet = contact_sheet(reference(), episode(6))
    assert sheet.shape == (2 * SIDE, 8 * SIDE, 3)
    shown = sheet[SIDE // 2, SIDE // 2 :: SIDE]
    times = np.linspace(0, TICKS, 8).astype(int)
    assert np.array_equal(shown, reference().frames[times, 0, 0])
    below = sheet[SIDE + SIDE // 2, SIDE // 2 :: SIDE]
    assert np.array_equal(below, episode(6).frames[np.minimum(times, 6), 0, 0])  # the last moment stays


def test_the_comparison_can_be_watched(tmp_path: Path) -> None:
    path = write_comparison(tmp_path / "videos", reference(), episode(TICKS))
    video = read_video(path)
    assert (len(video.frames), video.fps) == (TICKS + 1, 25.0)
    assert np.abs(video.frames.astype(int) - comparison(reference(), episode(TICKS))).mean() < 8
    assert read_image(path.parent / "contact_sheet.png").shape == (2 * SIDE, 8 * SIDE, 3)


def test_the_curve_is_a_picture_of_the_evaluations(tmp_path: Path) -> None:
    steps = [(step, kind) for step in (0, 50, 100) for kind in ("train", "eval")]
    rows = [{"step": step, "kind": kind, "return": step / 100, "speed": 0.1} for step, kind in steps]
    write_curve(tmp_path / "two.png", rows, {"zero": {"return": 0.5}, "random": {"return": 0.2, "speed": 0.0}})
    write_curve(tmp_path / "one.png", [{k: v for k, v in row.items() if k != "speed"} for row in rows], {})
    two, one = read_image(tmp_path / "two.png"), read_image(tmp_path / "one.png")
    assert two.shape[1] > 1.5 * one.shape[1] and two.std() > 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "two.png"]


def test_without_evaluations_there_is_no_curve(tmp_path: Path) -> None:
    write_curve(tmp_path / "curve.png", [{"step": 1, "kind": "train", "return": 1.0}], {})
    assert not list(tmp_path.iterdir())
