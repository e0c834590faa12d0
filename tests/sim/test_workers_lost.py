"""A worker process that dies or hangs is replaced, and the results do not change."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing import connection
from typing import Any

import numpy as np
import pytest

from nil_core.errors import MachineError
from nil_core.sim import gl
from nil_core.testing import ToyQuadruped

gl.choose_backend()

from nil_core.config import EnvironmentSettings, MotionSettings  # noqa: E402
from nil_core.reward.terms import REGULARIZERS  # noqa: E402
from nil_core.sim import vector_env, worker_process  # noqa: E402
from nil_core.sim.base import action_base  # noqa: E402
from nil_core.sim.buffers import SharedBuffers  # noqa: E402
from nil_core.sim.environment import EnvSpec, ImitationEnvironment  # noqa: E402
from nil_core.sim.local_envs import LocalEnvs  # noqa: E402
from nil_core.sim.scene import compose  # noqa: E402
from nil_core.sim.starts import Starts  # noqa: E402
from nil_core.sim.vector_env import VectorEnv  # noqa: E402

SIZE, N, TICKS, NU = 48, 3, 4, 12
TERMS = [term.function for term in REGULARIZERS]
OUTPUTS = ["observations", "final_observations", "terminated", "truncated", "ticked", "tick", "state_terms", "qpos"]
PICTURES = ["frames", "masks", "start_frames", "start_masks", "start_tick"]


@pytest.fixture(scope="module")
def plan() -> EnvSpec:
    scene = compose(ToyQuadruped(), "pd", 0.004, SIZE, simplify=False)
    settings = EnvironmentSettings(render_size=SIZE, reset_noise=0.05)
    return EnvSpec(scene, settings, TICKS, np.zeros((TICKS + 1, 0), np.float32), 0.8)


def wait_unless_stopped(ends: Sequence[Any], seconds: float) -> list[Any]:
    """As ``multiprocessing.connection.wait``: as long as it takes where a process is slow, not at all where it stopped.

    Which of the two it is tells the system, so that no busy machine makes one look like the other.
    """
    while not (ready := connection.wait(ends, 0.05)):
        (number,) = (child.pid for child in multiprocessing.active_children() if child.sentinel in ends)
        assert number is not None
        if os.waitid(os.P_PID, number, os.WSTOPPED | os.WNOHANG | os.WNOWAIT):
            return []
    return ready


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "wait", wait_unless_stopped)


def actions(step: int) -> np.ndarray:
    return np.random.default_rng(step).uniform(-1, 1, (N, NU)).astype(np.float32)


def process(name: str) -> int:
    (found,) = (child for child in multiprocessing.active_children() if child.name == name)
    assert found.pid is not None
    return found.pid


def life(simulation: VectorEnv, steps: int, harm: dict[int, tuple[str, signal.Signals]]) -> Iterator[dict]:
    """What is seen of each step; harm befalls a worker just before a step is sent."""
    simulation.reset()
    for step in range(steps):
        if step in harm:
            os.kill(process(f"simulation worker {harm[step][0]}"), harm[step][1])
        buffers = simulation.step(actions(step))
        yield {name: getattr(buffers, name).copy() for name in [*OUTPUTS, *PICTURES]}


def test_a_killed_and_a_stopped_worker_change_no_number(
    plan: EnvSpec, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    harm = {2: ("0", signal.SIGKILL), 6: ("1", signal.SIGSTOP)}
    with (
        VectorEnv(plan, N, 0, seed=3, state_terms=TERMS) as whole,
        VectorEnv(plan, N, 2, seed=3, state_terms=TERMS) as harmed,
    ):
        victims = [process("simulation worker 0"), process("simulation worker 1")]
        for step, (one, other) in enumerate(zip(life(whole, 9, {}), life(harmed, 9, harm), strict=True)):
            for name in one:
                assert np.array_equal(one[name], other[name]), f"{name} at step {step}"
        assert np.array_equal(whole.state(), harmed.state())
        replacements = [process("simulation worker 0"), process("simulation worker 1")]
    assert not set(victims) & set(replacements)
    said = "\n".join(record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert f"simulation worker 0 died (signal SIGKILL); process {replacements[0]} replaces it" in said
    assert f"simulation worker 1 has not answered for 120 s; process {replacements[1]} replaces it" in said
    assert not multiprocessing.active_children(), "a stopped process is gone too"


def test_a_killed_worker_changes_no_start_in_a_motion(plan: EnvSpec) -> None:
    """Which state an episode starts in, and how often where, is drawn again as it was."""
    scene, ticks = plan.scene, 12
    motion = np.tile(scene.standing_qpos, (ticks + 1, 1))
    motion[:, 0] += 0.01 * np.arange(ticks + 1)
    settings = MotionSettings(start_share=0.8)
    starts = Starts.from_motion(scene, motion, 25.0, settings, np.ones(ticks + 1, bool))
    preview = np.zeros((ticks + 1, 0), np.float32)
    moving = replace(plan, ticks=ticks, preview=preview, base=action_base(scene, motion, 1), starts=starts)
    harm = {3: ("0", signal.SIGKILL), 14: ("1", signal.SIGKILL)}
    begun = set()
    with VectorEnv(moving, N, 0, seed=3) as whole, VectorEnv(moving, N, 2, seed=3) as harmed:
        for step, (one, other) in enumerate(zip(life(whole, 24, {}), life(harmed, 24, harm), strict=True)):
            for name in one:
                assert np.array_equal(one[name], other[name]), f"{name} at step {step}"
            begun |= set(one["start_tick"].tolist())
        assert np.array_equal(whole.state(), harmed.state())
    assert len(begun) > 3


def test_a_worker_killed_while_idle_is_noticed_by_a_reset_and_by_a_restore(plan: EnvSpec) -> None:
    with VectorEnv(plan, N, 0, seed=3, render=False) as whole, VectorEnv(plan, N, 1, seed=3, render=False) as harmed:
        start, first = whole.state(), whole.reset().observations.copy()
        os.kill(process("simulation worker 0"), signal.SIGKILL)
        assert np.array_equal(harmed.reset().observations, first)
        harmed.step(actions(0))
        os.kill(process("simulation worker 0"), signal.SIGKILL)
        harmed.restore(start)
        assert np.array_equal(harmed.reset().observations, first)


def test_more_than_a_few_stop_the_run_clean(plan: EnvSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_env, "MAX_REPLACEMENTS", 1)
    with VectorEnv(plan, 2, 2, 0, render=False) as simulation:
        simulation.reset()
        before = simulation.state()
        for name in ("simulation worker 0", "simulation worker 1"):
            os.kill(process(name), signal.SIGKILL)
        with pytest.raises(MachineError, match=r"simulation worker 1 died \(signal SIGKILL\)") as caught:
            simulation.step(actions(0)[:2])
        assert "--resume" in caught.value.hint
        assert np.array_equal(simulation.state(), before), "the last whole step's"
    assert not multiprocessing.active_children()


def test_one_that_cannot_even_start_is_not_tried_again(
    plan: EnvSpec, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stopped(worker: worker_process.Worker, *arguments: Any, **named: Any) -> None:
        begin(worker, *arguments, **named)
        os.kill(worker.pid, signal.SIGSTOP)

    begin = worker_process.Worker.__init__
    monkeypatch.setattr(worker_process.Worker, "__init__", stopped)
    monkeypatch.setattr(worker_process, "START_SECONDS", 0.2)
    with pytest.raises(MachineError, match="has not answered"):
        VectorEnv(plan, 1, 1, 0, render=False)
    assert not caplog.records and not multiprocessing.active_children()


def test_a_step_cut_off_anywhere_leaves_the_states_it_began_from(plan: EnvSpec) -> None:
    """As a killed worker would: some environments have stepped, and some of their states are written."""
    memory = SharedBuffers.reserve(ImitationEnvironment(plan, 0), 2, len(TERMS), False, bytearray)
    buffers, states = memory.step_buffers(), memory.states()
    states[0] = [ImitationEnvironment(plan, seed).state() for seed in range(2)]
    batch = LocalEnvs(plan, buffers, render=False, state_terms=TERMS)
    batch.execute("restore", states, 0)
    batch.execute("reset", states, 1)
    begun = states[0].copy()
    buffers.actions[:] = actions(0)[:2]
    batch.execute("step", states, 0)
    done, led_to = buffers.observations.copy(), states[1].copy()
    measured = buffers.state_terms.copy()
    assert np.array_equal(states[0], begun) and not np.array_equal(led_to, begun)
    states[1, 0] = np.zeros((), states.dtype)
    again = LocalEnvs(plan, buffers, render=False, state_terms=TERMS)
    again.restore(states[0])
    buffers.observations[:] = buffers.state_terms[:] = 0
    again.execute("step", states, 0)
    assert np.array_equal(buffers.observations, done) and np.array_equal(states[1], led_to)
    assert measured.any() and np.array_equal(buffers.state_terms, measured)
