"""Episodes as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nil_core.evaluation.rollout import Episode

COLUMNS = {
    "return": "mean reward per tick of a full episode; ticks missed by a fall count 0",
    "similarity": "S_v, unscaled, mean over the ticks that were lived",
    "iou": "S_M, unscaled, mean over the ticks that were lived",
    "speed": "mean forward speed in m/s over the steps that were lived",
    "environment_reward": "exp(-(v - v_ref)^2), mean over a full episode; steps missed by a fall count 0",
    "length": "mean share of a full episode that was lived",
    "falls": "episodes that ended in a fall",
    "episodes": "episodes",
}
"""What :func:`summarise` gives, and what it means."""


def summarise(episodes: Sequence[Episode], ticks: int, horizon: int, has_target: bool) -> dict[str, float]:
    """Means over episodes, see :data:`COLUMNS`; a part that was not computed is left out.

    Args:
        episodes: from :func:`nil_core.evaluation.rollout.rollout`.
        ticks, horizon: ticks and control steps of a full episode.
        has_target: a target speed is known, so the environment reward means something.
    """
    row = {"return": _mean(e.rewards.sum() / ticks for e in episodes)}
    for part in ("similarity", "iou"):
        if all(part in e.parts for e in episodes):
            row[part] = _mean(e.parts[part].mean() for e in episodes)
    row["speed"] = _mean(e.speed.mean() for e in episodes)
    if has_target:
        row["environment_reward"] = _mean(e.environment_reward.sum() / horizon for e in episodes)
    row["length"] = _mean(len(e.speed) / horizon for e in episodes)
    row["falls"] = sum(e.fell for e in episodes)
    row["episodes"] = len(episodes)
    return row


def spread(episodes: Sequence[Episode], ticks: int) -> float:
    """Standard deviation of the return over episodes."""
    return float(np.std([e.rewards.sum() / ticks for e in episodes]))


def _mean(values: object) -> float:
    return float(np.mean(list(values)))  # type: ignore[call-overload]
