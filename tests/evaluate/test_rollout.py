"""Episodes of a policy: one per environment, with every number in its own episode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from nil_core.interfaces import TermRow
from nil_core.sim import gl
from nil_core.testing import ToyQuadruped
from nil_core.tick import Arrays, Tick
from nil_core.types import FallLimits, Reference

gl.choose_backend()

from nil_core.config import EnvironmentSettings  # noqa: E402
from nil_core.evaluation import rollout as rollout_module  # noqa: E402
from nil_core.evaluation.rollout import Episode, rollout  # noqa: E402
from nil_core.reward.pictures import PictureTerms  # noqa: E402
from nil_core.reward.terms import IOU  # noqa: E402
from nil_core.sim.environment import EnvSpec  # noqa: E402
from nil_core.sim.scene import RobotScene, compose  # noqa: E402
from nil_core.sim.vector_env import VectorEnv  # noqa: E402

N, TICKS, K = 4, 20, 2


class Diary:
    """A reward of the environment's number plus a hundredth of the tick, which records the ticks."""

    needs: frozenset[str] = frozenset()
    state_terms = ()

    def __init__(self) -> None:
        self.poses: list[list[np.ndarray]] = [[] for _ in range(N)]

    def rows(self) -> list[TermRow]:
        return []

    def score(self, ticks: Sequence[Tick]) -> None:
        for tick in ticks:
            self.poses[tick.env].append(tick.qpos.copy())
            if not tick.begins:
                tick.reward = tick.env + 0.01 * tick.index
                tick.terms = {"iou": tick.reward / 10}

    def state(self) -> Arrays:
        return {}

    def restore(self, state: Arrays) -> None:
        pass


@pytest.fixture(scope="module")
def scene() -> RobotScene:
    scene = compose(ToyQuadruped(), "pd", 0.004, 64, simplify=False)
    return replace(scene, spec=replace(scene.spec, fall=FallLimits(0.15, max_roll=0.3, max_pitch=0.3)))


@pytest.fixture
def simulation(scene: RobotScene) -> Iterator[VectorEnv]:
    settings = EnvironmentSettings(render_size=64, control_hz=50, reset_noise=0.05)
    plan = EnvSpec(scene, settings, TICKS, np.zeros((TICKS + 1, 0), np.float32), 0.8)
    with VectorEnv(plan, N, 0, seed=5, render=False) as simulation:
        yield simulation


def stand(observations: np.ndarray) -> np.ndarray:
    return np.zeros((N, 12), np.float32)


def stumble(observations: np.ndarray) -> np.ndarray:
    """A policy of the observation alone; environments that began elsewhere fall at other times."""
    return np.sin(40 * observations[:, :12]).astype(np.float32)


def crouch(observations: np.ndarray) -> np.ndarray:
    return np.full((len(observations), 12), 0.5, np.float32)


def same(one: Episode, other: Episode) -> bool:
    names = ("observations", "rewards", "speed", "qpos", "fell")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def test_a_policy_that_stands_lives_to_the_end(simulation: VectorEnv) -> None:
    for i, episode in enumerate(rollout(simulation, simulation.state(), Diary(), stand, TICKS * K)):
        assert not episode.fell
        assert np.allclose(episode.rewards, i + 0.01 * np.arange(1, TICKS + 1))
        assert np.allclose(episode.terms["iou"], episode.rewards / 10)
        assert episode.speed.shape == episode.environment_reward.shape == (TICKS * K,)
        assert np.abs(episode.speed).max() < 0.5
        assert np.allclose(episode.environment_reward, np.exp(-((episode.speed - 0.8) ** 2)), atol=1e-5)
        assert episode.qpos.shape == (TICKS + 1, 19)
        assert episode.frames.shape == (0, 0, 0, 3) and episode.masks.shape == (0, 0, 0)


def test_poses_begin_with_the_start(simulation: VectorEnv) -> None:
    diary = Diary()
    episodes = rollout(simulation, simulation.state(), diary, stand, TICKS * K)
    for episode, poses in zip(episodes, diary.poses, strict=True):
        assert np.array_equal(episode.qpos, poses[: TICKS + 1])
        assert np.abs(episode.qpos[0, 7:] - episode.qpos[-1, 7:]).max() > 1e-4


@pytest.mark.parametrize("at_once", [1, 3, 64])
def test_an_episode_ends_with_its_first_fall(
    simulation: VectorEnv, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(rollout_module, "SCORE_TICKS", at_once)
    episodes = rollout(simulation, simulation.state(), Diary(), stumble, TICKS * K)
    lengths = [len(episode.speed) for episode in episodes]
    assert len(set(lengths)) > 1, "the test saw falls at different times"
    for i, (episode, length) in enumerate(zip(episodes, lengths, strict=True)):
        assert episode.fell == (length < TICKS * K)
        ticks = -(-length // K)
        assert np.allclose(episode.rewards, i + 0.01 * np.arange(1, ticks + 1))
        assert len(episode.qpos) == ticks + 1


def test_the_same_start_gives_the_same_episodes_whatever_happened_before(simulation: VectorEnv) -> None:
    start = simulation.state()
    first = rollout(simulation, start, Diary(), stumble, TICKS * K)
    rollout(simulation, start, Diary(), stand, 7)
    again = rollout(simulation, start, Diary(), stumble, TICKS * K)
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    assert not same(first[0], first[1])


def test_a_recording_holds_start_and_ticks_of_the_first_environment(scene: RobotScene) -> None:
    settings = EnvironmentSettings(render_size=64)
    plan = EnvSpec(scene, settings, 3, np.zeros((4, 0), np.float32), 0.8)
    with VectorEnv(plan, 2, 0, seed=5) as simulation:
        first, second = rollout(simulation, simulation.state(), Diary(), crouch, 3, record=True)
    frames, masks = scene.render(first.qpos)
    assert first.frames.shape == (4, 64, 64, 3) and first.masks.dtype == np.bool_
    assert np.array_equal(first.masks, masks) and np.array_equal(first.frames, frames)
    assert len(second.frames) == 0


def test_observations_are_those_that_the_policy_saw(simulation: VectorEnv) -> None:
    seen: list[np.ndarray] = []

    def watched(observations: np.ndarray) -> np.ndarray:
        seen.append(observations.copy())
        return stumble(observations)

    for i, episode in enumerate(rollout(simulation, simulation.state(), Diary(), watched, TICKS * K)):
        assert np.array_equal(episode.observations, np.stack(seen)[: len(episode.speed), i])


def test_metrics_are_measured_beside_any_reward_and_do_not_overwrite_its_terms(scene: RobotScene) -> None:
    """Of a policy that repeats the reference: masks overlap wholly, whatever the reward pays."""

    class Plain(Diary):
        def score(self, ticks: Sequence[Tick]) -> None:
            super().score(ticks)
            for tick in ticks:
                tick.terms = {}

    settings = EnvironmentSettings(render_size=64)
    plan = EnvSpec(scene, settings, 3, np.zeros((4, 0), np.float32), 0.8)
    with VectorEnv(plan, 1, 0, seed=5) as simulation:
        start = simulation.state()
        first = rollout(simulation, start, Diary(), crouch, 3, record=True)[0]
        nothing = np.zeros((4, 1), np.float32)
        reference = Reference(first.frames, first.masks, nothing, nothing, 25.0)

        def measured(reward: Diary) -> Episode:
            return rollout(
                simulation, start, reward, crouch, 3, metrics=PictureTerms([IOU], reference, 1, "whole", None)
            )[0]

        assert measured(Plain()).terms["iou"].tolist() == [1, 1, 1]
        assert np.array_equal(measured(Diary()).terms["iou"], first.terms["iou"])
        assert np.array_equal(measured(Plain()).rewards, first.rewards)
