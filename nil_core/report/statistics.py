"""Statistics over the runs of a row: interquartile mean, bootstrap intervals, probability of improvement.

As in Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (NeurIPS 2021). Each row is
a stratum: its runs are resampled apart from those of other rows. Random numbers are seeded, so that equal runs give
equal intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import trim_mean

CONFIDENCE = 0.95
RESAMPLES = 5000
TRIMMED = 0.25  # at each end

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A statistic of runs.

    Attributes:
        value: of all runs.
        low, high: 95 % bootstrap interval; None with a single run.
        runs: number of runs.
    """

    value: float
    low: float | None
    high: float | None
    runs: int


def interquartile_mean(values: Sequence[float] | Doubles, axis: int = 0) -> Any:
    """Mean without the lowest and the highest quarter; of up to three values, their mean."""
    return trim_mean(np.asarray(values, np.float64), TRIMMED, axis=axis)


def estimate(values: Sequence[float]) -> Estimate:
    """Interquartile mean of one number per run, with its interval. Needs at least one run."""
    samples = np.asarray(values, np.float64)
    value = float(interquartile_mean(samples))
    if len(samples) < 2:
        return Estimate(value, None, None, len(samples))
    low, high = interval(interquartile_mean(samples[_draws(len(samples))], axis=1))
    return Estimate(value, float(low), float(high), len(samples))


def improvement(scores: Sequence[float], others: Sequence[float]) -> Estimate:
    """Probability that a run of the one row is better than a run of the other, ties counted half.

    It is the statistic of the Mann-Whitney test, divided by the number of pairs.

    Args:
        scores: one per run; higher is better.
        others: of the row to compare with.
    """
    x, y = np.asarray(scores, np.float64), np.asarray(others, np.float64)
    wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    value, runs = float(wins.mean()), len(x)
    if min(len(x), len(y)) < 2:
        return Estimate(value, None, None, runs)
    generator = np.random.default_rng(0)
    chosen, chosen_others = (generator.multinomial(n, np.full(n, 1 / n), RESAMPLES) for n in wins.shape)
    low, high = interval(((chosen @ wins) * chosen_others).sum(axis=1) / wins.size)
    return Estimate(value, float(low), float(high), runs)


def band(values: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Interquartile mean and interval at each point of a curve.

    Args:
        values: (runs, points), at least two runs.

    Returns:
        middle, low, high: (points,).
    """
    low, high = interval(interquartile_mean(values[_draws(len(values), 1000)], axis=1))
    return interquartile_mean(values), low, high


def interval(statistics: Doubles) -> Doubles:
    """Percentile interval of resampled statistics (resamples, ...): lower and upper bound."""
    tail = 50 * (1 - CONFIDENCE)
    return np.asarray(np.percentile(statistics, [tail, 100 - tail], axis=0))


def _draws(runs: int, resamples: int = RESAMPLES) -> npt.NDArray[np.int64]:
    """Indices (resamples, runs) of runs drawn with replacement."""
    return np.random.default_rng(0).integers(0, runs, (resamples, runs))
