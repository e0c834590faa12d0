"""Bad videos are bad in one way each."""

from __future__ import annotations

import numpy as np
import pytest

from nil_core.errors import DataError
from nil_core.testing import moving_blob, toy_scene
from nil_core.testing.bad_videos import another_robot, lost, mirrored, still, with_cut
from nil_core.types import Video

VIDEO = moving_blob(frames=12, height=64, width=64)


def steps(video: Video) -> np.ndarray:
    return np.abs(np.diff(video.frames.astype(int), axis=0)).sum((1, 2, 3))


def test_a_cut_is_one_large_step_in_the_middle():
    made = with_cut(VIDEO, jump=0.4)
    assert steps(made)[:5] == pytest.approx(steps(VIDEO)[:5])
    assert steps(made)[5] > 2 * steps(VIDEO).max()


def test_a_still_video_does_not_move():
    assert not steps(still(VIDEO)).any() and (still(VIDEO).masks == VIDEO.masks[0]).all()


def test_mirroring_twice_gives_the_pictures_back():
    assert (mirrored(mirrored(VIDEO)).frames == VIDEO.frames).all()
    assert (mirrored(VIDEO).masks[:, :, ::-1] == VIDEO.masks).all()


def test_a_lost_robot_is_there_until_it_is_gone():
    made = lost(VIDEO, seen=0.25)
    assert made.masks.any((1, 2)).tolist() == [True] * 3 + [False] * 9
    assert (made.frames[:3] == VIDEO.frames[:3]).all() and not made.frames[3:].any()


def test_another_robot_moves_as_long():
    made = another_robot(VIDEO, toy_scene(size=64))
    assert made.frames.shape == VIDEO.frames.shape and made.masks.any((1, 2)).all() and steps(made).any()
    with pytest.raises(DataError, match="drawn at 32"):
        another_robot(VIDEO, toy_scene(size=32))
