"""Frames that only repeat the one before are left out; a robot that stands still is not."""

from __future__ import annotations

import numpy as np
import pytest

from nil_core.reference.recovery.distinct_frames import MAX_REPEATS, distinct_frames
from nil_core.types import Masks


def bar(places: list[int]) -> Masks:
    """A bar 40 pixels wide at these places."""
    masks = np.zeros((len(places), 8, 128), np.bool_)
    for mask, place in zip(masks, places, strict=True):
        mask[:, place : place + 40] = True
    return masks


@pytest.mark.parametrize(
    ("places", "kept"),
    [
        ([0, 4, 8, 12, 16], [0, 1, 2, 3, 4]),
        ([0, 4, 4, 12, 12, 12, 24, 28], [0, 1, 3, 6, 7]),  # held, and then where it would have been
        ([0, 0, 0, 1, 2, 4, 8, 12], [0, 1, 2, 3, 4, 5, 6, 7]),  # starts from rest
        ([4, 8, 12, 12, 12], [0, 1, 2, 3, 4]),  # comes to rest
        ([0, 16, 17, 33, 49], [0, 1, 3, 4]),  # repeated and compressed
        ([0, 16, 32, 40, 44, 46, 46, 46, 47, 49, 57, 73], list(range(12))),  # stops and starts again
        ([0] * 6, list(range(6))),
    ],
)
def test_what_is_kept(places: list[int], kept: list[int]) -> None:
    assert distinct_frames(bar(places)).tolist() == kept


def test_a_robot_that_stays_longer_stands_still() -> None:
    held, rest = ([0, 4, *[8] * (1 + repeats), 16, 20] for repeats in (MAX_REPEATS, MAX_REPEATS + 1))
    assert len(distinct_frames(bar(held))) == len(held) - MAX_REPEATS
    assert len(distinct_frames(bar(rest))) == len(rest)
