"""Evaluation metrics of episodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import stdtrit

from nil_core.evaluation.rollout import Episode

COLUMNS = {
    "return": "mean reward per tick of a full episode; ticks missed by a fall count 0",
    "similarity": "S_v, unscaled, mean over the ticks of the episode",
    "iou": "S_M, unscaled, mean over the ticks of the episode",
    "speed": "mean forward speed in m/s over the steps of the episode",
    "environment_reward": "exp(-(v - v_ref)^2), mean over a full episode; steps missed by a fall count 0",
    "length": "mean share of a full episode before it ended",
    "falls": "episodes that ended in a fall",
    "episodes": "episodes",
}
"""Columns of :func:`summarize` and their meaning."""

CONFIDENCE = 0.95


def summarize(episodes: Sequence[Episode], ticks: int, horizon: int, has_target: bool) -> dict[str, float]:
    """Means over episodes, see :data:`COLUMNS`; columns that were not computed are left out.

    Args:
        episodes: from :func:`nil_core.evaluation.rollout.rollout`.
        ticks, horizon: ticks and control steps of a full episode.
        has_target: a target speed is known, so the environment reward is meaningful.
    """
    row = {"return": _mean(_returns(episodes, ticks))}
    for part in ("similarity", "iou"):
        if all(part in e.terms for e in episodes):
            row[part] = _mean(e.terms[part].mean() for e in episodes)
    row["speed"] = _mean(_speeds(episodes))
    if has_target:
        row["environment_reward"] = _mean(e.environment_reward.sum() / horizon for e in episodes)
    row["length"] = _mean(len(e.speed) / horizon for e in episodes)
    row["falls"] = sum(e.fell for e in episodes)
    row["episodes"] = len(episodes)
    return row


def spread(episodes: Sequence[Episode], ticks: int) -> dict[str, Any]:
    """Standard deviations of return and speed over episodes, and confidence intervals of their means.

    The interval is Student's: mean ± t(0.975, n - 1) s / sqrt(n). With the five episodes of a run, the coverage of a
    percentile bootstrap is far below its nominal value; Student's is exact for normally distributed episodes, and only
    approximate if a few of them fall.

    Returns:
        ``return_std`` and ``speed_std``, with n - 1 in the denominator, and ``return_ci95`` and ``speed_ci95``, lower
        and upper bound of the mean. None for a single episode.
    """
    measured = {"return": _returns(episodes, ticks), "speed": _speeds(episodes)}
    row: dict[str, Any] = {}
    for name, values in measured.items():
        row[f"{name}_std"], row[f"{name}_ci95"] = None, None
        if (n := len(values)) > 1:
            deviation = np.std(values, ddof=1)
            half_width = stdtrit(n - 1, (1 + CONFIDENCE) / 2) * deviation / np.sqrt(n)
            row[f"{name}_std"] = float(deviation)
            row[f"{name}_ci95"] = [float(np.mean(values) - half_width), float(np.mean(values) + half_width)]
    return row


def _returns(episodes: Sequence[Episode], ticks: int) -> list[float]:
    return [float(e.rewards.sum() / ticks) for e in episodes]


def _speeds(episodes: Sequence[Episode]) -> list[float]:
    return [float(e.speed.mean()) for e in episodes]


def _mean(values: object) -> float:
    return float(np.mean(list(values)))  # type: ignore[call-overload]
