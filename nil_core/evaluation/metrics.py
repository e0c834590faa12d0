"""Evaluation metrics of episodes; :mod:`nil_core.evaluation.columns` says what they mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from nil_core.evaluation.columns import COLUMNS
from nil_core.evaluation.rollout import Episode

CONFIDENCE = 0.95

Measure = Callable[[Episode], dict[str, float | None]]
"""Column to value of an episode; None where it cannot be told."""


@dataclass(frozen=True)
class Scoring:
    """What episodes are scored with.

    Attributes:
        ticks, horizon: ticks and control steps of a full episode.
        has_target: a target speed is known, so the environment reward is meaningful.
        measures: of further columns.
        recording: SHA-256 of the recording of the MoCap loss; empty without one.
    """

    ticks: int
    horizon: int
    has_target: bool
    measures: Sequence[Measure] = ()
    recording: str = ""


def summarize(episodes: Sequence[Episode], scoring: Scoring) -> dict[str, Any]:
    """Means over episodes, see :data:`nil_core.evaluation.columns.COLUMNS`.

    Columns that were not computed are left out; those that no episode could tell are None.
    """
    return _means(episodes, _values(episodes, scoring))


def summarize_with_spread(episodes: Sequence[Episode], scoring: Scoring) -> dict[str, Any]:
    """The same, and :func:`spread` of every column that is a mean over episodes."""
    values = _values(episodes, scoring)
    row = _means(episodes, values)
    for name, column in values.items():
        row |= spread(name, column)
    return row


def spread(name: str, values: Sequence[float | None]) -> dict[str, Any]:
    """Standard deviation of a column over episodes, and the confidence interval of its mean.

    The interval is Student's: mean ± t(0.975, n - 1) s / sqrt(n). With the five episodes of a run, the coverage of a
    percentile bootstrap is far below its nominal value; Student's is exact for normally distributed episodes, and only
    approximate if a few of them fall.

    Args:
        name: of the column.
        values: of every episode; None where it cannot be told.

    Returns:
        ``NAME_std``, with n - 1 in the denominator, and ``NAME_ci95``, lower and upper bound of the mean. None for less
        than two values.
    """
    known = [value for value in values if value is not None]
    n = len(known)
    if n < 2:
        return {f"{name}_std": None, f"{name}_ci95": None}
    mean, deviation = float(np.mean(known)), float(np.std(known, ddof=1))
    half_width = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * deviation / np.sqrt(n)
    return {f"{name}_std": deviation, f"{name}_ci95": [mean - float(half_width), mean + float(half_width)]}


def _means(episodes: Sequence[Episode], values: dict[str, list[float | None]]) -> dict[str, Any]:
    means: dict[str, Any] = {}
    for name, column in values.items():
        known = [value for value in column if value is not None]
        means[name] = float(np.mean(known)) if known else None
    means |= {"falls": sum(episode.fell for episode in episodes), "episodes": len(episodes)}
    return {name: means[name] for name in COLUMNS if name in means}


def _values(episodes: Sequence[Episode], scoring: Scoring) -> dict[str, list[float | None]]:
    """Column to the values of all episodes."""
    rows = [_episode_values(episode, scoring) for episode in episodes]
    return {name: [row[name] for row in rows] for name in rows[0] if all(name in row for row in rows)}


def _episode_values(episode: Episode, scoring: Scoring) -> dict[str, float | None]:
    values: dict[str, float | None] = {"return": float(episode.rewards.sum() / scoring.ticks)}
    for part in ("similarity", "iou"):
        if part in episode.terms:
            values[part] = float(episode.terms[part].mean())
    values["speed"] = float(episode.speed.mean())
    if scoring.has_target:
        values["environment_reward"] = float(episode.environment_reward.sum() / scoring.horizon)
    values["length"] = len(episode.speed) / scoring.horizon
    for measure in scoring.measures:
        values |= measure(episode)
    return values
