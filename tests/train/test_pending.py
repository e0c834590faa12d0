"""Transitions that wait for the reward of their tick."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from nil_core.sim.vector_env import StepBuffers
from nil_core.storage.atomic import read_arrays, write_arrays
from nil_core.train.pending import PendingTransitions


def step(
    pending: PendingTransitions, n: int, ticked: str, fell: str = "", late: str = "", environments: int = 2
) -> None:
    """Step n of environments a, b, ...: observation 10 n + i, action n + i / 10, next observation 10 (n + 1) + i."""
    index = np.arange(environments)

    def those(names: str) -> np.ndarray:
        return np.array(["abc"[i] in names for i in index])

    blank = {field.name: np.zeros(environments) for field in fields(StepBuffers)}
    column = (10.0 * n + index).astype(np.float32)[:, None]
    given = {
        "terminated": those(fell),
        "truncated": those(late),
        "ticked": those(ticked),
        "final_observations": column + 10,
    }
    pending.add(column, (n + index / 10).astype(np.float32)[:, None], StepBuffers(**(blank | given)))


def test_every_step_of_a_tick_gets_its_reward() -> None:
    pending = PendingTransitions()
    step(pending, 0, ticked="")
    step(pending, 1, ticked="ab")
    got = pending.settle(np.array([0.5, 0.7], np.float32), terminal_value=-9.0)
    assert got is not None and len(got) == 4
    assert got.observations[:, 0].tolist() == [0, 10, 1, 11]
    assert got.next_observations[:, 0].tolist() == [10, 20, 11, 21]
    assert np.allclose(got.actions[:, 0], [0.0, 1.0, 0.1, 1.1])
    assert np.allclose(got.rewards, [0.5, 0.5, 0.7, 0.7])
    assert not got.terminations.any() and not got.truncations.any()
    assert [c.dtype for c in (got.observations, got.actions, got.rewards)] == [np.float32] * 3
    assert got.terminations.dtype == got.truncations.dtype == np.bool_


def test_a_fall_in_the_middle_of_a_tick_closes_it_and_costs_the_terminal_value_once() -> None:
    pending = PendingTransitions()
    step(pending, 0, ticked="")
    step(pending, 1, ticked="b", fell="b")  # k = 3, and b falls at its second step
    step(pending, 2, ticked="a")
    got = pending.settle(np.array([1.0, 2.0], np.float32), terminal_value=-5.0)
    assert got is not None
    assert got.observations[:, 0].tolist() == [1, 11, 0, 10, 20]
    assert got.rewards.tolist() == [1, -4, 2, 2, 2]
    assert got.terminations.tolist() == [False, True, False, False, False]
    step(pending, 3, ticked="b")  # b's next tick has begun at step 2
    got = pending.settle(np.array([3.0], np.float32), 0.0)
    assert got is not None and got.observations[:, 0].tolist() == [21, 31]


def test_the_end_of_the_reference_is_a_truncation_and_costs_nothing() -> None:
    pending = PendingTransitions()
    step(pending, 0, ticked="ab", late="b")
    got = pending.settle(np.array([1.0, 1.0], np.float32), terminal_value=-5.0)
    assert got is not None
    assert got.truncations.tolist() == [False, True] and got.rewards.tolist() == [1, 1]


def test_nothing_is_handed_out_before_a_tick_ends_and_nothing_twice() -> None:
    pending, none = PendingTransitions(), np.empty(0, np.float32)
    assert pending.settle(none, 0.0) is None
    step(pending, 0, ticked="")
    assert pending.settle(none, 0.0) is None
    step(pending, 1, ticked="ab")
    assert len(pending.settle(np.ones(2, np.float32), 0.0) or ()) == 4
    assert pending.settle(none, 0.0) is None


def test_rewards_that_do_not_match_the_ticks_are_refused() -> None:
    pending = PendingTransitions()
    step(pending, 0, ticked="a")
    with pytest.raises(ValueError, match="2 rewards for 1 finished ticks"):
        pending.settle(np.ones(2, np.float32), 0.0)


def test_transitions_are_kept_apart_from_the_arrays_they_came_in() -> None:
    pending, index = PendingTransitions(), np.zeros(1)
    blank = {field.name: index for field in fields(StepBuffers)} | {"ticked": np.array([True])}
    after = np.ones((1, 1), np.float32)
    pending.add(index[:, None], index[:, None], StepBuffers(**(blank | {"final_observations": after})))
    after[:] = 7  # the next step's buffers
    got = pending.settle(np.ones(1, np.float32), 0.0)
    assert got is not None and got.next_observations.tolist() == [[1.0]]


@pytest.mark.parametrize("at", range(9))
def test_it_goes_on_exactly_after_a_checkpoint(tmp_path: Path, at: int) -> None:
    """Three environments with ticks of three steps, out of step with each other, settled every fifth step."""
    ends = ["", "b", "a", "c", "b", "ac", "", "b", "ac", "", "b", "ac"]
    unbroken, resumed = PendingTransitions(), PendingTransitions()
    step(resumed, 99, ticked="a", num_envs=3)  # to be forgotten

    def go(pending: PendingTransitions, n: int) -> list[np.ndarray]:
        step(pending, n, ends[n], fell="b" if n == 4 else "", num_envs=3)
        if n % 5 != 4:
            return []
        finished = sum(len(names) for names in ends[n - 4 : n + 1])
        got = pending.settle(np.arange(finished, dtype=np.float32), -1.0)
        assert got is not None
        return [getattr(got, field.name) for field in fields(got)]

    for n in range(at):
        go(unbroken, n)
    write_arrays(tmp_path / "state.npz", unbroken.state())
    resumed.restore(read_arrays(tmp_path / "state.npz"))
    for n in range(at, 10):
        for a, b in zip(go(unbroken, n), go(resumed, n), strict=True):
            assert np.array_equal(a, b) and a.dtype == b.dtype
