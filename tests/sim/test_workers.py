"""Environments in this process and in workers give the same numbers."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nil_core import registry
from nil_core.errors import NumericalError
from nil_core.sim import gl
from nil_core.storage.atomic import read_arrays, write_arrays
from nil_core.testing import ToyQuadruped
from nil_core.types import FallLimits

gl.choose_backend()

from nil_core.config import EnvironmentSettings  # noqa: E402
from nil_core.measurements import Measurements  # noqa: E402
from nil_core.reward.terms import REGULARIZERS  # noqa: E402
from nil_core.sim.environment import EnvSpec  # noqa: E402
from nil_core.sim.scene import RobotScene, compose  # noqa: E402
from nil_core.sim.vector_env import StepBuffers, VectorEnv  # noqa: E402

SIZE, N, TICKS, NU = 64, 3, 6, 12
TERMS = [term.function for term in REGULARIZERS]
OUTPUTS = [
    "observations", "final_observations", "terminated", "truncated", "ticked", "tick", "frames", "masks",
    "start_frames", "start_masks", "state_terms", "speed", "environment_reward", "qpos",
]  # fmt: skip


@pytest.fixture(scope="module")
def toy() -> RobotScene:
    return compose(ToyQuadruped(), "pd", 0.004, SIZE, simplify=False)


def plan(scene: RobotScene, ticks: int = TICKS, **settings: Any) -> EnvSpec:
    settings = {"render_size": SIZE, "reset_noise": 0.05} | settings
    return EnvSpec(scene, EnvironmentSettings(**settings), ticks, np.zeros((ticks + 1, 0), np.float32), 0.8)


def tumbling(scene: RobotScene) -> RobotScene:
    """Falls within a few steps of random actions, and not at once."""
    return replace(scene, spec=replace(scene.spec, fall=FallLimits(0.15, max_roll=0.12, max_pitch=0.12)))


def actions(step: int, environments: int = N) -> np.ndarray:
    return np.random.default_rng(step).uniform(-1, 1, (environments, NU)).astype(np.float32)


def seen(buffers: StepBuffers) -> dict[str, np.ndarray]:
    return {name: getattr(buffers, name).copy() for name in OUTPUTS}


def new(moment: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Pictures count where they are new: of the moment where a tick ended, of the start where an episode did."""
    ended = moment["terminated"] | moment["truncated"]
    pictures = {name: moment[name][moment["ticked"]] for name in ("frames", "masks")}
    return moment | pictures | {name: moment[name][ended] for name in ("start_frames", "start_masks")}


def life(simulation: VectorEnv, steps: range, environments: int = N) -> list[dict[str, np.ndarray]]:
    return [seen(simulation.step(actions(step, environments))) for step in steps]


def assert_same(one: list[dict[str, np.ndarray]], other: list[dict[str, np.ndarray]]) -> None:
    for step, (a, b) in enumerate(zip(map(new, one), map(new, other), strict=True)):
        for name in OUTPUTS:
            assert np.array_equal(a[name], b[name]), f"{name} at step {step}"


@pytest.fixture
def local(toy: RobotScene) -> Iterator[VectorEnv]:
    with VectorEnv(plan(tumbling(toy), control_hz=50), N, workers=0, seed=3, state_terms=TERMS) as simulation:
        yield simulation


def test_ticks_ends_and_observations_fit_together(local: VectorEnv) -> None:
    """Two control steps a tick: every output of 40 steps against what it must be by the rules."""
    before = seen(local.reset())
    steps_lived, falls, early, ends = np.zeros(N, int), 0, 0, 0
    for step in range(40):
        now = seen(local.step(actions(step)))
        ended = now["terminated"] | now["truncated"]
        steps_lived += 1
        assert not (now["terminated"] & now["truncated"]).any()
        assert np.array_equal(now["truncated"], (steps_lived == 2 * TICKS) & ~now["terminated"])
        assert np.array_equal(now["ticked"], (steps_lived % 2 == 0) | ended)
        assert np.array_equal(now["tick"], (steps_lived + 1) // 2)
        for i in range(N):
            fresh = not np.array_equal(now["frames"][i], before["frames"][i])
            assert fresh == bool(now["ticked"][i]), "frames are new just where a tick ended"
            restarted = not np.array_equal(now["observations"][i], now["final_observations"][i])
            assert restarted == bool(ended[i])
            assert restarted or np.array_equal(now["start_frames"][i], before["start_frames"][i])
        falls, ends = falls + now["terminated"].sum(), ends + ended.sum()
        early += (now["terminated"] & (steps_lived % 2 == 1)).sum()
        steps_lived[ended], before = 0, now
    assert 0 < early < falls < ends, "the test saw falls in the middle of ticks and at their ends, and time limits"


def test_the_mask_of_the_walking_a1_moves_and_shows_the_robot() -> None:
    a1 = compose(registry.build("robot", "a1", {}), "pd", 0.004, SIZE, simplify=False)
    with VectorEnv(plan(a1, ticks=8), 1, workers=0, seed=0) as simulation:
        start = seen(simulation.reset())
        shown = [{"frames": start["start_frames"], "masks": start["start_masks"]}, *life(simulation, range(7), 1)]
    for moment in shown:
        frame, mask = moment["frames"][0], moment["masks"][0]
        assert 0.03 < mask.mean() < 0.5
        assert not frame[~mask].any() and (frame[mask].max(axis=1) > 0).mean() > 0.9
    changes = [(a["masks"] ^ b["masks"]).sum() for a, b in itertools.pairwise(shown)]
    assert min(changes) > 5
    assert shown[-1]["tick"].tolist() == [7]


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_give_the_numbers_of_this_process(toy: RobotScene, workers: int) -> None:
    setting = plan(tumbling(toy), control_hz=50)
    with (
        VectorEnv(setting, N, 0, seed=3, state_terms=TERMS) as local,
        VectorEnv(setting, N, workers, seed=3, state_terms=TERMS) as apart,
    ):
        assert apart.observation_size == local.observation_size == 52
        assert apart.buffers.state_terms.shape == (N, len(TERMS))
        start, other = seen(local.reset()), seen(apart.reset())
        assert all(np.array_equal(start[name], other[name]) for name in OUTPUTS)
        assert_same(life(local, range(15)), life(apart, range(15)))
        saved = local.state()
        assert_same(life(local, range(15, 25)), life(apart, range(15, 25)))
        apart.restore(saved)  # across the border of processes
        again = life(apart, range(15, 25))
        local.restore(saved)
        assert_same(life(local, range(15, 25)), again)


def test_a_state_survives_a_checkpoint(local: VectorEnv, tmp_path: Any) -> None:
    local.reset()
    life(local, range(5))
    write_arrays(tmp_path / "a.npz", {"environments": local.state()})
    observations = local.buffers.observations.copy()
    unbroken = life(local, range(5, 30))
    local.restore(read_arrays(tmp_path / "a.npz")["environments"])
    assert np.array_equal(local.buffers.observations, observations)
    assert_same(unbroken, life(local, range(5, 30)))


def test_environments_are_alike_but_not_equal_and_the_seed_decides(toy: RobotScene) -> None:
    def start(seed: int) -> np.ndarray:
        with VectorEnv(plan(toy), N, 0, seed, render=False) as simulation:
            return simulation.reset().observations.copy()

    assert np.array_equal(start(3), start(3)) and not np.array_equal(start(3), start(4))
    assert len(np.unique(start(3), axis=0)) == N


def test_what_no_weight_needs_is_not_computed(toy: RobotScene, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it was built")

    monkeypatch.setattr("nil_core.sim.local_envs.Renderer", refuse)
    monkeypatch.setattr("nil_core.sim.environment.ImitationTask.measure", refuse)
    with VectorEnv(plan(toy), N, 0, 0, render=False) as simulation:
        buffers = simulation.reset()
        for step in range(3):
            buffers = simulation.step(actions(step))
        assert buffers.observations.any() and buffers.ticked.all()
        assert not buffers.drawn and buffers.frames.shape == (N, 0, 0, 3) and buffers.start_masks.shape == (N, 0, 0)
        assert buffers.state_terms.shape == (N, 0)
    with pytest.raises(AssertionError, match="built"):
        VectorEnv(plan(toy), N, 0, 0, render=True)
    with VectorEnv(plan(toy), N, 0, 0, render=False, state_terms=TERMS[:1]) as simulation:
        simulation.reset()
        with pytest.raises(AssertionError, match="built"):
            simulation.step(actions(0))


def first_action(m: Measurements) -> float:
    return float(m.action[0])


def change_of_action(m: Measurements) -> float:
    return float(np.abs(m.action - m.last_action).sum())


def test_state_terms_are_computed_in_order_after_every_control_step(toy: RobotScene) -> None:
    setting = plan(tumbling(toy), control_hz=50)
    terms = [change_of_action, first_action, *TERMS]
    with VectorEnv(setting, N, 0, seed=3, render=False, state_terms=terms) as simulation:
        simulation.reset()
        before, ends = np.zeros((N, NU)), 0
        for step in range(20):
            now = simulation.step(actions(step))
            assert now.state_terms.dtype == np.float32
            wanted = [np.abs(actions(step) - before).sum(axis=1), actions(step)[:, 0]]
            assert np.allclose(now.state_terms[:, :2], np.transpose(wanted), rtol=1e-5)
            assert np.allclose(now.state_terms[:, 3], -((actions(step) - before) ** 2).mean(axis=1), rtol=1e-5)
            before = np.where(now.ended[:, None], 0, actions(step))
            ends += now.ended.sum()
        assert ends > 2


@pytest.mark.parametrize("workers", [0, 1])
def test_an_action_that_is_no_number_ends_in_a_numerical_error(toy: RobotScene, workers: int) -> None:
    with VectorEnv(plan(toy), 1, workers, 0, render=False) as simulation:
        simulation.reset()
        with pytest.raises(NumericalError, match="unstable"):
            simulation.step(np.full((1, NU), np.nan, np.float32))


def test_ctrl_c_does_not_reach_a_worker_that_is_just_starting(toy: RobotScene, monkeypatch: pytest.MonkeyPatch) -> None:
    start = multiprocessing.get_context("spawn").Process.start

    def start_and_interrupt(process: Any) -> None:
        start(process)
        os.kill(process.pid, signal.SIGINT)

    monkeypatch.setattr(multiprocessing.get_context("spawn").Process, "start", start_and_interrupt)
    with VectorEnv(plan(toy), N, 1, seed=0) as simulation:
        assert (simulation.reset().tick == 0).all()


def test_after_one_worker_failed_the_others_still_work(toy: RobotScene) -> None:
    with VectorEnv(plan(toy), 2, 2, seed=0) as simulation:
        simulation.reset()
        moves = np.zeros((2, toy.model.nu), np.float32)
        moves[0] = np.nan
        with pytest.raises(NumericalError):
            simulation.step(moves)
        before = simulation.state()
        assert np.isfinite(before["physics"]).all() and before["step_count"].tolist() == [0, 0], "of the step before"
        simulation.restore(before)
        moves[0] = 0
        assert np.isfinite(simulation.step(moves).observations).all()
