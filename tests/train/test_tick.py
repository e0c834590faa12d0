"""Ticks as transitions, and as arrays in a checkpoint."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nil_core.storage.atomic import read_arrays, write_arrays
from nil_core.tick import STATE_FIELDS, STEP_FIELDS, Tick, pack, transitions, unpack


def tick(env: int, first: int, steps: int, fell: bool = False, late: bool = False, **given: Any) -> Tick:
    """Steps n = first, first + 1, ...: observation 10 n + env, action n + env / 10, and then that of step n + 1."""
    n = np.arange(first, first + steps, dtype=np.float32)[:, None]
    last = np.arange(steps) == steps - 1
    return Tick(
        env=env,
        index=first + 1,
        observations=10 * n + env,
        actions=n + np.float32(env / 10),
        next_observations=10 * (n + 1) + env,
        terminated=last & fell,
        truncated=last & late,
        state_terms=np.concatenate([-n, n + env], axis=1),
        speed=n[:, 0] / 3,
        environment_reward=n[:, 0] / 7,
        qpos=np.array([0.1, first, env]),
        qvel=np.array([first, -env / 3]),
        **given,
    )


def test_every_step_of_a_tick_gets_its_reward() -> None:
    got = transitions([tick(0, 0, 2, reward=0.5), tick(1, 0, 2, reward=0.7)])
    assert len(got) == 4
    assert got.observations[:, 0].tolist() == [0, 10, 1, 11]
    assert got.next_observations[:, 0].tolist() == [10, 20, 11, 21]
    assert np.allclose(got.actions[:, 0], [0.0, 1.0, 0.1, 1.1])
    assert np.allclose(got.rewards, [0.5, 0.5, 0.7, 0.7])
    assert got.envs is not None and got.envs.dtype == np.int32 and got.envs.tolist() == [0, 0, 1, 1]
    assert not got.terminations.any() and not got.truncations.any()
    assert [c.dtype for c in (got.observations, got.actions, got.rewards, got.next_observations)] == [np.float32] * 4
    assert got.terminations.dtype == got.truncations.dtype == np.bool_


def test_a_fall_costs_the_terminal_value_once_at_its_transition_alone() -> None:
    fallen = tick(1, 0, 2, fell=True, reward=1.0, terminal_value=-5.0)
    got = transitions([fallen, tick(0, 0, 3, reward=2.0, terminal_value=-5.0)])
    assert got.observations[:, 0].tolist() == [1, 11, 0, 10, 20]
    assert got.rewards.tolist() == [1, -4, 2, 2, 2]
    assert got.terminations.tolist() == [False, True, False, False, False]
    assert fallen.fell and fallen.ended


def test_the_end_of_the_reference_is_a_truncation_and_costs_nothing() -> None:
    late = tick(1, 0, 1, late=True, reward=1.0, terminal_value=-5.0)
    got = transitions([tick(0, 0, 1, reward=1.0, terminal_value=-5.0), late])
    assert got.truncations.tolist() == [False, True] and got.rewards.tolist() == [1, 1]
    assert late.ended and not late.fell


def test_an_unscored_tick_gives_no_number_to_learn_from() -> None:
    assert np.isnan(transitions([tick(0, 0, 2)]).rewards).all()


def test_a_beginning_gives_no_transition() -> None:
    first = tick(0, 4, 0)
    assert first.begins and not first.ended and first.steps == 0
    got = transitions([first, tick(0, 4, 2, reward=1.0)])
    assert got.observations[:, 0].tolist() == [40, 50] and got.rewards.tolist() == [1, 1]


def picture(level: int) -> dict[str, np.ndarray]:
    return {"frame": np.full((2, 2, 3), level, np.uint8), "mask": np.array([[True, False], [level > 1, True]])}


@pytest.mark.parametrize(
    "ticks",
    [
        [],
        [tick(2, 3, 2)],
        [tick(0, 0, 0), tick(1, 0, 0)],
        [tick(0, 0, 2, **picture(1)), tick(1, 0, 0, **picture(2)), tick(0, 2, 3, late=True, **picture(3))],
        [tick(0, 0, 1), tick(1, 5, 2, fell=True, **picture(4)), tick(1, 0, 0), tick(1, 0, 4, **picture(5))],
    ],
    ids=["none", "one", "beginnings", "drawn", "mixed"],
)
def test_ticks_come_back_from_a_file_exactly(tmp_path: Path, ticks: list[Tick]) -> None:
    write_arrays(tmp_path / "ticks.npz", pack(ticks))
    again = unpack(read_arrays(tmp_path / "ticks.npz"))
    assert len(again) == len(ticks)
    for before, after in zip(ticks, again, strict=True):
        assert (after.env, after.index, after.steps) == (before.env, before.index, before.steps)
        assert type(after.env) is type(after.index) is int
        for name in (*STEP_FIELDS, *STATE_FIELDS, "frame", "mask"):
            one, other = getattr(before, name), getattr(after, name)
            assert (one is None) == (other is None), name
            if one is not None:
                assert np.array_equal(one, other) and one.dtype == other.dtype and one.shape == other.shape, name
        assert np.isnan(after.reward) and after.terms == {} and after.terminal_value == 0


def test_every_field_is_saved_or_written_by_the_reward() -> None:
    saved = {*STEP_FIELDS, *STATE_FIELDS, "env", "index", "frame", "mask"}
    assert {field.name for field in fields(Tick)} - saved == {"reward", "terminal_value", "terms"}
