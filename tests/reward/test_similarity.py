"""Similarities and their scale: closed forms, and empty inputs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nil_core.errors import DataError
from nil_core.reward.similarity import SIMILARITIES, Scale, cosine, negative_l2
from nil_core.video.masks import iou

rows = hnp.arrays(np.float32, (3, 5), elements=st.floats(-1e3, 1e3).map(lambda x: float(np.float32(round(x, 9)))))
masks = hnp.arrays(np.bool_, (3, 4, 6))


def row(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        (row(1, 0), row(3, 0), 1.0),
        (row(1, 0), row(0, 2), 0.0),
        (row(1, 0), row(-5, 0), -1.0),
        (row(1, 0), row(1, 1), math.sqrt(0.5)),
        (row(1e-9, 0), row(1e-9, 1e-9), math.sqrt(0.5)),
        (row(0, 0), row(0, 0), 1.0),
        (row(0, 0), row(1, 0), 0.0),
    ],
)
def test_cosine_in_closed_form(a: np.ndarray, b: np.ndarray, wanted: float) -> None:
    assert cosine(a, b)[0] == pytest.approx(wanted, abs=1e-6)


@settings(deadline=None)
@given(rows, rows)
def test_cosine_is_symmetric_bounded_and_float32(a: np.ndarray, b: np.ndarray) -> None:
    similarity = cosine(a, b)
    assert similarity.shape == (3,) and similarity.dtype == np.float32
    assert np.abs(similarity).max() <= 1 + 1e-5
    assert np.array_equal(similarity, cosine(b, a))
    assert np.allclose(cosine(a, a), 1, atol=1e-5)


@settings(deadline=None)
@given(rows, rows)
def test_negative_l2_is_minus_the_distance(a: np.ndarray, b: np.ndarray) -> None:
    wanted = [-math.dist(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    similarity = negative_l2(a, b)
    assert np.allclose(similarity, wanted, rtol=1e-5, atol=1e-4) and similarity.dtype == np.float32


@pytest.mark.parametrize("name", SIMILARITIES)
def test_a_perfect_match_has_the_value_in_the_table(name: str) -> None:
    similarity, best = SIMILARITIES[name]
    a = np.random.default_rng(0).normal(size=(4, 9)).astype(np.float32)
    assert np.allclose(similarity(a, a), best, atol=1e-6)
    assert (similarity(a, a[::-1]) < best - 0.01).all()


@settings(deadline=None)
@given(masks, masks)
def test_iou_counts_pixels(a: np.ndarray, b: np.ndarray) -> None:
    def score(x: np.ndarray, y: np.ndarray) -> float:
        ours, theirs = ({tuple(p) for p in np.argwhere(m)} for m in (x, y))
        return len(ours & theirs) / len(ours | theirs) if ours | theirs else 1.0

    scores = iou(a, b)
    assert np.allclose(scores, [score(x, y) for x, y in zip(a, b, strict=True)]) and scores.dtype == np.float32


def test_iou_of_empty_masks() -> None:
    none, some = np.zeros((1, 3, 3), bool), np.ones((1, 3, 3), bool)
    assert iou(none, none)[0] == 1
    assert iou(none, some)[0] == iou(some, none)[0] == 0


@pytest.mark.parametrize(("best", "stand"), [(1.0, 0.94), (0.0, -12.5)])
def test_the_calibrated_scale_is_one_at_a_match_and_a_share_of_e_at_the_stand(best: float, stand: float) -> None:
    scale = Scale("calibrated", best, stand)
    assert np.allclose(scale(np.array([best, stand, 2 * stand - best])), np.exp([0, -1, -2]), rtol=1e-6)


@settings(deadline=None)
@given(st.floats(-0.9, 0.99), st.lists(st.floats(-1, 1), min_size=2, max_size=9))
def test_a_calibrated_reward_is_positive_and_rises_with_the_similarity(stand: float, similarities: list[float]) -> None:
    ordered = np.sort(np.array(similarities))
    rewards = Scale("calibrated", 1.0, stand)(ordered)
    assert (np.diff(rewards) >= 0).all()
    assert (rewards >= 0).all() and (rewards <= 1).all()


def test_the_raw_scale_changes_nothing() -> None:
    values = np.array([-3.0, 0.2, 1.0], np.float32)
    assert np.array_equal(Scale("raw", 1.0, 1.0)(values), values)


def test_a_reference_that_never_moves_is_refused_unless_raw() -> None:
    with pytest.raises(DataError, match="never leaves the standing pose") as caught:
        Scale("calibrated", 1.0, 1.0)
    assert "reward.scale=raw" in caught.value.hint
    Scale("calibrated", 1.0, 0.999)
