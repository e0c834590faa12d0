"""Steps of environments become ticks; every tick is scored and passed on once, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nil_core.errors import NumericalError
from nil_core.interfaces import TermRow
from nil_core.sim.buffers import StepBuffers
from nil_core.storage.atomic import read_arrays, write_arrays
from nil_core.tick import Arrays, Tick, transitions
from nil_core.train.collect import Collector

STATE = np.dtype([("episode", np.int64), ("count", np.int64)])

Plan = Sequence[Sequence[tuple[int, int, bool]]]
"""For each environment its episodes: tick at which one starts, its control steps, whether it ends in a fall.
After the last one the first comes again."""


class Script:
    """Environments with scripted episodes; they fill the same arrays at every step.

    Episode e after n control steps in environment i is observed as 1000 e + 10 n + i, drawn in the color n + 1, and
    weighs 0.5 n in the pose and -0.5 n in the velocity.
    """

    observation_size = action_size = 1

    def __init__(self, plan: Plan, per_tick: int = 2, drawn: bool = True) -> None:
        self.num_envs = len(plan)
        self.plan, self.per_tick, self.log = plan, per_tick, list[str]()
        self.actions: list[np.ndarray] = []
        self._states = np.zeros(self.num_envs, STATE)
        shapes = {"actions": (1,), "observations": (1,), "final_observations": (1,), "state_terms": (2,), "busy": (2,)}
        shapes |= dict.fromkeys(("qpos", "qvel", "start_qpos", "start_qvel"), (1,))
        side = 2 if drawn else 0
        shapes |= {"frames": (side, side, 3), "start_frames": (side, side, 3)}
        shapes |= {"masks": (side, side), "start_masks": (side, side)}
        kinds = dict.fromkeys(("terminated", "truncated", "ticked", "masks", "start_masks"), np.bool_)
        kinds |= dict.fromkeys(("frames", "start_frames"), np.uint8) | dict.fromkeys(("tick", "start_tick"), np.int64)
        kinds |= dict.fromkeys(("qpos", "qvel", "start_qpos", "start_qvel", "busy"), np.float64)
        self.buffers = StepBuffers(
            **{
                field.name: np.zeros((self.num_envs, *shapes.get(field.name, ())), kinds.get(field.name, np.float32))
                for field in fields(StepBuffers)
            }
        )

    def _start(self, i: int, episode: int) -> None:
        first = self.plan[i][episode % len(self.plan[i])][0]
        self._states[i] = episode, first * self.per_tick
        buffers = self.buffers
        buffers.start_tick[i] = first
        buffers.start_frames[i], buffers.start_masks[i] = self._states["count"][i] + 1, True
        buffers.start_qpos[i] = 0.5 * self._states["count"][i]
        buffers.start_qvel[i] = -buffers.start_qpos[i]
        buffers.observations[i] = self._seen(i)

    def _seen(self, i: int) -> float:
        return float(1000 * self._states["episode"][i] + 10 * self._states["count"][i] + i)

    def reset(self) -> StepBuffers:
        for i in range(self.num_envs):
            self._start(i, 0)
        return self.buffers

    def send(self, actions: np.ndarray) -> None:
        self.log.append("send")
        self.buffers.actions[:] = actions

    def receive(self) -> StepBuffers:
        self.log.append("receive")
        buffers = self.buffers
        for i in range(self.num_envs):
            self._states["count"][i] += 1
            count, episode = int(self._states["count"][i]), int(self._states["episode"][i])
            first, length, falls = self.plan[i][episode % len(self.plan[i])]
            ended = count - first * self.per_tick == length
            buffers.observations[i] = buffers.final_observations[i] = self._seen(i)
            buffers.terminated[i], buffers.truncated[i] = ended and falls, ended and not falls
            buffers.ticked[i] = ended or count % self.per_tick == 0
            buffers.tick[i] = -(-count // self.per_tick)
            buffers.qpos[i], buffers.speed[i], buffers.environment_reward[i] = 0.5 * count, count / 10, count / 100
            buffers.qvel[i], buffers.state_terms[i] = -0.5 * count, (count, -i)
            if buffers.ticked[i]:
                buffers.frames[i], buffers.masks[i] = count + 1, count % 3 == 0
            if ended:
                self._start(i, episode + 1)
        return buffers

    def state(self) -> np.ndarray:
        return self._states.copy()

    def restore(self, states: np.ndarray) -> None:
        self._states[:] = states
        for i in range(self.num_envs):
            self.buffers.observations[i] = self._seen(i)

    def close(self) -> None:
        pass


class Counting:
    """A reward that pays 0.1 for each tick so far in the environment, and forgets them where an episode begins."""

    needs: frozenset[str] = frozenset()
    state_terms = ()

    def __init__(self, env: Script | None = None) -> None:
        self.counts, self.env = np.zeros(8), env
        self.batches: list[list[Tick]] = []

    def rows(self) -> list[TermRow]:
        return []

    def score(self, ticks: Sequence[Tick]) -> None:
        if self.env is not None:
            self.env.log.append("score")
        self.batches.append(list(ticks))
        for tick in ticks:
            self.counts[tick.env] += 1
            if tick.begins:
                self.counts[tick.env] = 0
                continue
            tick.reward = 0.1 * self.counts[tick.env] + tick.env
            tick.terminal_value = -5.0
            tick.terms = {"count": self.counts[tick.env]}

    def state(self) -> Arrays:
        return {"counts": self.counts.copy()}

    def restore(self, state: Arrays) -> None:
        self.counts = state["counts"].copy()


def policy(observations: np.ndarray) -> np.ndarray:
    """A function of the observation alone."""
    return np.sin(observations)


def begun(plan: Plan, score_ticks: int = 1, per_tick: int = 2) -> tuple[Collector, Script, Counting]:
    env = Script(plan, per_tick)
    reward = Counting(env)
    collector = Collector(env, reward, score_ticks)
    collector.start()
    return collector, env, reward


def collected(plan: Plan, steps: int, score_ticks: int = 1, per_tick: int = 2) -> list[Tick]:
    """All ticks of so many control steps."""
    collector, ticks = begun(plan, score_ticks, per_tick)[0], list[Tick]()
    for _ in range(steps):
        collector.step(policy, ticks.extend)
    collector.score(ticks.extend)
    return ticks


def numbers(ticks: Sequence[Tick]) -> list[tuple[int, int, list[float], float]]:
    return [(tick.env, tick.index, tick.observations[:, 0].tolist(), round(tick.reward, 3)) for tick in ticks]


LIVES: Plan = [[(0, 6, False)], [(0, 5, True), (1, 4, False)], [(0, 3, True)]]
"""Out of step with each other; falls in the middle of ticks and at their end; a start later in the reference."""


def test_a_tick_holds_its_control_steps_and_what_is_seen_at_its_end() -> None:
    first, tick, *_ = collected([[(0, 6, False)]], 2)
    assert first.begins and first.index == 0 and np.isnan(first.reward)
    assert first.qpos.tolist() == first.qvel.tolist() == [0.0]
    assert (first.frame == 1).all() and first.mask is not None and first.mask.all()
    assert (tick.env, tick.index, tick.steps, tick.ended) == (0, 1, 2, False)
    assert tick.observations[:, 0].tolist() == [0, 10] and tick.next_observations[:, 0].tolist() == [10, 20]
    assert np.allclose(tick.actions[:, 0], np.sin([0, 10]))
    assert tick.state_terms.tolist() == [[1, 0], [2, 0]]
    assert np.allclose(tick.speed, [0.1, 0.2]) and np.allclose(tick.environment_reward, [0.01, 0.02])
    assert (
        tick.qpos.tolist() == [1.0] and tick.qvel.tolist() == [-1.0] and (tick.frame == 3).all() and not tick.mask.any()
    )
    assert tick.actions.dtype == tick.observations.dtype == np.float32 and tick.qpos.dtype == np.float64


def test_a_fall_in_the_middle_of_a_tick_closes_it_and_the_next_one_begins_with_the_next_step() -> None:
    ticks = collected([[(0, 9, False)], [(0, 2, True)]], 4, per_tick=3)
    assert numbers([tick for tick in ticks if not tick.begins]) == [
        (1, 1, [1, 11], 1.1),
        (0, 1, [0, 10, 20], 0.1),
        (1, 1, [1001, 1011], 1.1),
    ]
    got = transitions(ticks)
    assert np.allclose(got.rewards, [1.1, 1.1 - 5, 0.1, 0.1, 0.1, 1.1, 1.1 - 5])
    assert got.terminations.tolist() == [False, True, False, False, False, False, True]
    assert got.next_observations[:, 0].tolist() == [11, 21, 10, 20, 30, 1011, 1021], "of before the reset"


def test_the_end_of_the_reference_is_a_truncation() -> None:
    ticks = [tick for tick in collected([[(0, 3, False)]], 4) if not tick.begins]
    assert [(tick.steps, tick.ended, tick.fell) for tick in ticks] == [(2, False, False), (1, True, False)]
    assert transitions(ticks).truncations.tolist() == [False, False, True]


def test_an_episode_begins_behind_the_tick_that_ended_the_one_before() -> None:
    """Environment by environment: a beginning, its ticks in order, the next beginning, at its own tick."""
    ticks = collected(LIVES, 24)
    for i in range(3):
        own = [tick for tick in ticks if tick.env == i]
        assert own[0].begins
        for before, after in pairwise(own):
            assert after.begins == before.ended
            if not after.begins:
                assert after.index == before.index + 1
    assert [tick.index for tick in ticks if tick.begins and tick.env == 1][:3] == [0, 1, 0]


def test_every_step_is_in_one_tick_and_in_the_order_it_happened() -> None:
    ticks = collected(LIVES, 24)
    for i in range(3):
        seen = np.concatenate([tick.observations[:, 0] for tick in ticks if tick.env == i])
        following = np.concatenate([tick.next_observations[:, 0] for tick in ticks if tick.env == i])
        ends = np.concatenate([tick.terminated | tick.truncated for tick in ticks if tick.env == i])
        assert np.array_equal(seen[1:][~ends[:-1]], following[:-1][~ends[:-1]])
        assert 22 <= len(seen) <= 24 and len(set(seen)) == len(seen)


def test_ticks_are_passed_on_once_and_after_their_end() -> None:
    collector, _, _ = begun([[(0, 8, False)], [(0, 8, False)]])
    handed: list[list[Tick]] = []
    for _ in range(4):
        collector.step(policy, lambda ticks: handed.append(list(ticks)))
    assert [len(ticks) for ticks in handed] == [4], "two beginnings, and two ticks of the first two steps"
    collector.score(lambda ticks: handed.append(list(ticks)))
    assert [numbers(ticks) for ticks in handed[1:]] == [[(0, 2, [20, 30], 0.2), (1, 2, [21, 31], 1.2)]]
    collector.score(lambda ticks: handed.append(list(ticks)))
    assert handed[2:] == [[]]


def test_ticks_are_scored_while_the_environments_step() -> None:
    collector, env, _ = begun([[(0, 8, False)]], per_tick=1)
    collector.step(policy, lambda ticks: None)
    assert env.log == ["send", "receive"]
    collector.step(policy, lambda ticks: env.log.append("learn"))
    assert env.log[2:] == ["send", "score", "learn", "receive"]


@pytest.mark.parametrize("score_ticks", [2, 3, 7, 100])
def test_late_scoring_equals_scoring_at_once(score_ticks: int) -> None:
    at_once, late = collected(LIVES, 30), collected(LIVES, 30, score_ticks)
    assert str(numbers(at_once)) == str(numbers(late))
    one, other = transitions(at_once), transitions(late)
    assert all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))


def test_so_many_ticks_wait_for_their_score_and_beginnings_do_not_count() -> None:
    collector, _, reward = begun(LIVES, score_ticks=4)
    for _ in range(20):
        collector.step(policy, lambda ticks: None)
    assert len(reward.batches) > 3
    sizes = [sum(not tick.begins for tick in batch) for batch in reward.batches]
    assert all(4 <= size < 4 + 3 for size in sizes)


def test_ticks_are_kept_apart_from_the_arrays_they_came_in() -> None:
    """The environments fill the same arrays again."""
    collector, env, _ = begun([[(0, 4, True)]], score_ticks=100)
    for _ in range(4):
        collector.step(policy, lambda ticks: None)
    for field in fields(StepBuffers):
        getattr(env.buffers, field.name)[:] = 7 if getattr(env.buffers, field.name).dtype != np.bool_ else True
    ticks: list[Tick] = []
    collector.score(ticks.extend)
    assert numbers([tick for tick in ticks if not tick.begins]) == [(0, 1, [0, 10], 0.1), (0, 2, [20, 30], 0.2)]
    assert [int(tick.frame.max()) for tick in ticks] == [1, 3, 5, 1]
    assert [float(tick.qpos[0]) for tick in ticks] == [0, 1, 2, 0]
    assert collector.observations.tolist() == [[1000.0]]


def test_where_nothing_is_drawn_ticks_have_no_pictures() -> None:
    env = Script(LIVES, drawn=False)
    collector, ticks = Collector(env, Counting()), list[Tick]()
    collector.start()
    for _ in range(8):
        collector.step(policy, ticks.extend)
    assert ticks and all(tick.frame is None and tick.mask is None for tick in ticks)


def test_episodes_ended_is_tracked_since_the_start() -> None:
    collector, _, _ = begun(LIVES)
    seen = []
    for _ in range(6):
        collector.step(policy, lambda ticks: None)
        seen.append(collector.episodes_ended.tolist())
    assert [sum(row) for row in seen] == [0, 0, 1, 1, 2, 3] and seen[4] == [False, True, True]
    collector.start()
    assert not collector.episodes_ended.any() and collector.observations[:, 0].tolist() == [0, 1, 2]


class Broken(Counting):
    def score(self, ticks: Sequence[Tick]) -> None:
        super().score(ticks)
        for tick in ticks:
            if tick.index == 2:
                tick.reward, tick.terms["iou"] = np.nan, np.nan


def test_a_reward_that_is_no_number_is_named_and_the_step_is_received() -> None:
    env = Script([[(0, 8, False)]])
    collector, handed = Collector(env, Broken()), list[Tick]()
    collector.start()
    with pytest.raises(NumericalError, match=r"the reward is not a number \(iou\)"):
        for _ in range(8):
            collector.step(policy, handed.extend)
    assert [tick.index for tick in handed] == [0, 1], "nobody learns from it"
    assert env.log.count("send") == env.log.count("receive")


def goes_on(collector: Collector, reward: Counting) -> Callable[[], list[np.ndarray]]:
    def step() -> list[np.ndarray]:
        ticks: list[Tick] = []
        collector.step(policy, ticks.extend)
        ended = [tick for tick in ticks if not tick.begins]
        got = [np.array([tick.env for tick in ticks]), np.array([tick.index for tick in ticks]), reward.counts.copy()]
        if ended:
            batch = transitions(ended)
            got += [getattr(batch, field.name) for field in fields(batch)]
        got += [
            np.stack([getattr(tick, name) for tick in ticks]) for name in ("qpos", "qvel", "frame", "mask") if ticks
        ]
        return [*got, collector.observations]

    return step


@pytest.mark.parametrize("score_ticks", [1, 5])
@pytest.mark.parametrize("at", range(10))
def test_it_goes_on_exactly_after_a_checkpoint(tmp_path: Path, at: int, score_ticks: int) -> None:
    """Three environments with ticks of three steps, out of step with each other, with ticks that wait."""
    unbroken, env, reward = begun(LIVES, score_ticks, per_tick=3)
    resumed, other_env, other_reward = begun(LIVES[::-1], score_ticks, per_tick=3)
    other_env.plan = LIVES
    for _ in range(7):
        resumed.step(policy, lambda ticks: None)  # to be forgotten
    for _ in range(at):
        unbroken.step(policy, lambda ticks: None)
    write_arrays(tmp_path / "collector.npz", unbroken.state())
    write_arrays(tmp_path / "reward.npz", reward.state())
    other_env.restore(env.state())
    other_reward.restore(read_arrays(tmp_path / "reward.npz"))
    resumed.restore(read_arrays(tmp_path / "collector.npz"))
    one, other = goes_on(unbroken, reward), goes_on(resumed, other_reward)
    for _ in range(25):
        for a, b in zip(one(), other(), strict=True):
            assert np.array_equal(a, b) and a.dtype == b.dtype
