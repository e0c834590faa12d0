"""Means between two lines of ``metrics.jsonl``."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from nil_core.reward.imitation import TickRewards
from nil_core.sim.vector_env import StepBuffers
from nil_core.storage import log
from nil_core.train.metric_accumulator import MetricAccumulator


def step(tally: MetricAccumulator, speed: list[float], terminated: list[bool], truncated: list[bool]) -> None:
    blank = {field.name: np.zeros(len(speed)) for field in fields(StepBuffers)}
    ends = {"terminated": np.array(terminated), "truncated": np.array(truncated)}
    tally.add_step(StepBuffers(**(blank | ends | {"speed": np.array(speed, np.float32)})))


def rewards(*total: float, **parts: list[float]) -> TickRewards:
    return TickRewards(np.array(total, np.float32), {k: np.array(v, np.float32) for k, v in parts.items()})


def test_means_are_over_ticks_steps_episodes_and_updates() -> None:
    tally = MetricAccumulator(2)
    tally.add_rewards(rewards(1.0, 2.0, iou=[0.5, 0.25]))
    tally.add_rewards(rewards(6.0, iou=[0.75]))
    tally.add_losses({"critic": 1.0})
    tally.add_losses({"critic": 2.0, "temperature": 0.5})
    tally.add_losses({})
    step(tally, [0.5, 1.5], [False, False], [False, False])
    step(tally, [0.5, 1.5], [True, False], [False, False])
    step(tally, [0.5, 1.5], [False, False], [False, True])
    assert tally.take() == pytest.approx(
        {
            "reward": 3.0,
            "iou": 0.5,
            "critic": 1.5,
            "temperature": 0.5,
            "speed": 1.0,
            "episode_length": 2.5,
            "falls": 0.5,
        }
    )


def test_what_did_not_happen_has_no_mean_and_nothing_counts_twice() -> None:
    tally = MetricAccumulator(1)
    tally.add_rewards(rewards())
    assert tally.take() == {}
    tally.add_losses({"critic": 4.0})
    assert tally.take() == {"critic": 4.0}
    assert tally.take() == {}


def test_an_episode_is_counted_where_it_ends_across_lines_of_the_log() -> None:
    tally = MetricAccumulator(1)
    for ended in (False, False, True, False, True):
        step(tally, [0.0], [False], [ended])
        if not ended:
            tally.take()
    assert tally.take()["episode_length"] == 2
    step(tally, [0.0], [True], [False])
    assert tally.take() == {"speed": 0.0, "episode_length": 1.0, "falls": 1.0}


def test_a_checkpoint_as_json_changes_no_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    unbroken, resumed = MetricAccumulator(2), MetricAccumulator(2)

    def go(tally: MetricAccumulator, values: np.ndarray) -> None:
        tally.add_rewards(rewards(*values, iou=[float(values[0])]))
        tally.add_losses({"critic": float(values[1]) / 3})
        step(tally, [values[0], values[1]], [values[0] < 0, False], [False, values[1] < 0])

    first, second = rng.normal(size=(2, 9, 2))
    for values in first:
        go(unbroken, values)
    step(unbroken, [0.0, 0.0], [False, False], [False, False])  # both are in the middle of an episode
    resumed.restore(json.loads(json.dumps(unbroken.state())))
    for name, tally in (("unbroken", unbroken), ("resumed", resumed)):
        for values in second:
            go(tally, values)
        log.append(tmp_path / name, {"step": 18, **tally.take()})
    assert (tmp_path / "unbroken").read_bytes() == (tmp_path / "resumed").read_bytes()
