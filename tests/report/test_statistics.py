"""Statistics of a report against independent ways to compute them."""

from __future__ import annotations

import itertools
import random
from importlib.util import find_spec

import numpy as np
import pytest

from nil_core.report.statistics import band, estimate, improvement, interquartile_mean

RANDOM = np.random.default_rng(7)
SAMPLES = [RANDOM.normal(size=n) for n in (1, 2, 3, 4, 5, 7, 10, 13, 40)]


def naive_mean(values: list[float]) -> float:
    kept = sorted(values)[len(values) // 4 : len(values) - len(values) // 4]
    return sum(kept) / len(kept)


def naive_improvement(scores: list[float], others: list[float]) -> float:
    pairs = list(itertools.product(scores, others))
    return sum(1.0 if x > y else 0.5 if x == y else 0.0 for x, y in pairs) / len(pairs)


def share_below(resamples: list[float], bound: float | None) -> float:
    """Share below a bound; of few runs many resamples are equal, and any share between those two is right."""
    assert bound is not None
    below = np.mean(np.array(resamples) < bound - 1e-9)
    up_to = np.mean(np.array(resamples) < bound + 1e-9)
    return float(np.clip(0.025, below, up_to))


@pytest.mark.parametrize("values", SAMPLES, ids=len)
def test_interquartile_mean_drops_a_quarter_at_each_end(values: np.ndarray) -> None:
    assert interquartile_mean(values) == pytest.approx(naive_mean(list(values)), abs=1e-12)
    found = estimate(list(values))
    assert (found.value, found.runs) == (pytest.approx(naive_mean(list(values)), abs=1e-12), len(values))


def test_a_single_run_has_no_interval() -> None:
    assert estimate([1.5]).low is None and estimate([1.5]).high is None
    assert improvement([1.0], [0.0, 2.0]).low is None
    assert (estimate([2.0, 2.0]).low, estimate([2.0, 2.0]).high) == (2.0, 2.0)


@pytest.mark.parametrize("count", [2, 5, 12])
def test_intervals_are_those_of_a_naive_bootstrap(count: int) -> None:
    values = list(RANDOM.normal(size=count))
    others = list(RANDOM.normal(0.5, size=count))
    draw = random.Random(3)
    means, wins = [], []
    for _ in range(4000):
        resampled = [draw.choice(values) for _ in values]
        means.append(naive_mean(resampled))
        wins.append(naive_improvement(resampled, [draw.choice(others) for _ in others]))
    for found, resamples in ((estimate(values), means), (improvement(values, others), wins)):
        assert share_below(resamples, found.low) == pytest.approx(0.025, abs=0.01)
        assert share_below([-each for each in resamples], -found.high) == pytest.approx(0.025, abs=0.01)


@pytest.mark.parametrize(("count", "other"), [(1, 1), (3, 5), (8, 2)])
def test_improvement_counts_pairs_and_half_of_ties(count: int, other: int) -> None:
    scores, others = (list(map(float, RANDOM.integers(0, 4, n))) for n in (count, other))
    assert improvement(scores, others).value == pytest.approx(naive_improvement(scores, others))
    assert improvement(scores, scores).value == 0.5


def test_bands_are_the_estimates_at_each_point() -> None:
    values = RANDOM.normal(size=(5, 4))
    middle, low, high = band(values)
    for point in range(4):
        expected = estimate(list(values[:, point]))
        assert middle[point] == pytest.approx(expected.value)
        assert [low[point], high[point]] == pytest.approx([expected.low, expected.high], abs=0.15)


@pytest.mark.skipif(find_spec("rliable") is None, reason="rliable is not installed")
@pytest.mark.parametrize("count", [2, 5, 20])
def test_statistics_are_those_of_rliable(count: int) -> None:
    from rliable import library, metrics

    scores = {"ours": RANDOM.normal(1.0, size=(count, 1)), "theirs": RANDOM.normal(size=(count + 1, 1))}
    points, intervals = library.get_interval_estimates(
        scores, lambda each: np.array([metrics.aggregate_iqm(each)]), reps=5000, random_state=np.random.RandomState(0)
    )
    for name, values in scores.items():
        found = estimate(list(values[:, 0]))
        assert found.value == pytest.approx(points[name][0], abs=1e-12)
        if count == 20:  # the resamples of few runs take few values, and a bound is one or the next of them
            assert [found.low, found.high] == pytest.approx(intervals[name][:, 0], abs=0.05)
    pairs = {"pair": (scores["ours"], scores["theirs"])}
    points, intervals = library.get_interval_estimates(
        pairs, metrics.probability_of_improvement, reps=2000, random_state=np.random.RandomState(0)
    )
    better = improvement(list(scores["ours"][:, 0]), list(scores["theirs"][:, 0]))
    assert better.value == pytest.approx(float(np.ravel(points["pair"])[0]), abs=1e-12)
    if count == 20:
        assert [better.low, better.high] == pytest.approx(np.ravel(intervals["pair"]), abs=0.03)
