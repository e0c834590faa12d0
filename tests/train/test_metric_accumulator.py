"""Means between two lines of ``metrics.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from nil_core.storage import log
from nil_core.tick import Tick
from nil_core.train.metric_accumulator import MetricAccumulator


def tick(
    reward: float, speed: Sequence[float], env: int = 0, fell: bool = False, late: bool = False, **terms: float
) -> Tick:
    """A scored tick of as many control steps as there are speeds."""
    k = len(speed)
    last, column = np.arange(k) == k - 1, np.zeros((k, 1), np.float32)
    return Tick(
        env, 1, column, column, column, last & fell, last & late, column, np.array(speed, np.float32),
        np.zeros(k, np.float32), np.zeros(7), reward=reward, terms=terms,
    )  # fmt: skip


def test_means_are_over_ticks_steps_episodes_and_updates() -> None:
    metrics = MetricAccumulator(2)
    metrics.add_ticks([tick(1.0, [0.5, 0.5], iou=0.5), tick(2.0, [1.5], env=1, iou=0.25)])
    metrics.add_losses({"critic": 1.0})
    metrics.add_losses({"critic": 2.0, "temperature": 0.5})
    metrics.add_losses({})
    metrics.add_ticks([tick(6.0, [1.5, 1.5], env=1, late=True, iou=0.75), tick(3.0, [0.5], fell=True, iou=0.5)])
    assert metrics.take() == pytest.approx(
        {
            "reward": 3.0,
            "iou": 0.5,
            "critic": 1.5,
            "temperature": 0.5,
            "speed": 1.0,
            "episode_length": 3.0,
            "falls": 0.5,
        }
    )


def test_what_did_not_happen_has_no_mean_and_nothing_counts_twice() -> None:
    metrics = MetricAccumulator(1)
    metrics.add_ticks([])
    assert metrics.take() == {}
    metrics.add_losses({"critic": 4.0})
    assert metrics.take() == {"critic": 4.0}
    assert metrics.take() == {}


def test_an_episode_is_counted_where_it_ends_across_lines_of_the_log() -> None:
    metrics = MetricAccumulator(1)
    for ended in (False, False, True, False, True):
        metrics.add_ticks([tick(0.0, [0.0], late=ended)])
        if not ended:
            metrics.take()
    assert metrics.take()["episode_length"] == 2
    metrics.add_ticks([tick(0.0, [0.0], fell=True)])
    assert metrics.take() == {"reward": 0.0, "speed": 0.0, "episode_length": 1.0, "falls": 1.0}


def test_a_checkpoint_as_json_changes_no_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    unbroken, resumed = MetricAccumulator(2), MetricAccumulator(2)

    def go(metrics: MetricAccumulator, values: np.ndarray) -> None:
        first, second = (float(value) for value in values)
        metrics.add_ticks([tick(first, [first, second], fell=first < 0, iou=first)])
        metrics.add_ticks([tick(second, [second], env=1, late=second < 0, iou=second)])
        metrics.add_losses({"critic": second / 3})

    first, second = rng.normal(size=(2, 9, 2))
    for values in first:
        go(unbroken, values)
    unbroken.add_ticks([tick(0.0, [0.0], env=env) for env in range(2)])  # both are in the middle of an episode
    resumed.restore(json.loads(json.dumps(unbroken.state())))
    for name, metrics in (("unbroken", unbroken), ("resumed", resumed)):
        for values in second:
            go(metrics, values)
        log.append(tmp_path / name, {"step": 18, **metrics.take()})
    assert (tmp_path / "unbroken").read_bytes() == (tmp_path / "resumed").read_bytes()
