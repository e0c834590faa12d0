"""Training on a task of dm_env: what the agent sees, and that an interrupted run goes on exactly."""

from __future__ import annotations

import os
import signal
from collections import OrderedDict
from pathlib import Path
from typing import Any

import dm_env
import numpy as np
import pytest
from dm_control import suite
from dm_env import specs

from nil_core import registry
from nil_core.errors import DataError, NilError, NumericalError, RunError
from nil_core.experiment.task import TaskSettings, train_on_task
from nil_core.interfaces import Agent
from nil_core.reporting import Silent
from nil_core.storage import log
from nil_core.train.task_env import FlatEnvironment
from nil_core.types import AgentSpec


class Slide(dm_env.Environment):
    """A point that a bounded force moves; falls off beyond 2, is cut off after 12 steps, and is rewarded for x."""

    def __init__(self, seed: int, drift: float = 0.0) -> None:
        self._rng, self._drift = np.random.default_rng(seed), drift
        self.forces: list[np.ndarray] = []

    def action_spec(self) -> specs.BoundedArray:
        return specs.BoundedArray((2, 1), np.float64, minimum=[[-1.0], [2.0]], maximum=[[3.0], [4.0]])

    def observation_spec(self) -> Any:
        return None

    def reset(self) -> dm_env.TimeStep:
        self._x, self._steps = self._rng.uniform(-0.5, 0.5), 0
        return dm_env.restart(self._seen())

    def step(self, action: np.ndarray) -> dm_env.TimeStep:
        assert action.shape == (2, 1)
        self.forces.append(action)
        self._x += 0.1 * (action[0, 0] + self._rng.normal()) + self._drift
        self._steps += 1
        if abs(self._x) > 2:
            return dm_env.termination(self._x, self._seen())
        if self._steps == 12:
            return dm_env.truncation(self._x, self._seen())
        return dm_env.transition(self._x, self._seen())

    def _seen(self) -> OrderedDict[str, Any]:
        return OrderedDict(x=self._x, table=np.array([[self._steps, 1.0], [2.0, 3.0]]))


def sac(setting: AgentSpec) -> Agent:
    options = {"learning_starts": 10, "batch_size": 4, "hidden": [8], "replay_ratio": 1.0}
    agent: Agent = registry.build("agent", "sac", options, setting)
    return agent


def plan(steps: int, **changes: Any) -> TaskSettings:
    small: dict[str, Any] = {
        "horizon": 12,
        "log_every": 10,
        "eval_every": 20,
        "eval_episodes": 2,
        "checkpoint_every": 7,
    }
    return TaskSettings(steps, **{**small, **changes})


def run(folder: Path, steps: int, make: Any = Slide, **changes: Any) -> list[dict[str, Any]]:
    return train_on_task(sac, make, folder, plan(steps, **changes), Silent())


def test_observations_are_laid_end_to_end_and_actions_stretched() -> None:
    inner = Slide(0)
    flat = FlatEnvironment(inner)
    assert (flat.observation_size, flat.action_size) == (5, 2)
    assert flat.layout == {"x": slice(0, 1), "table": slice(1, 5)}
    first = flat.reset()
    assert first.dtype == np.float32 and first[1:].tolist() == [0, 1, 2, 3]
    for action in ([-1, -1], [1, 1], [0, 0]):
        flat.step(np.array(action, np.float32))
    np.testing.assert_allclose([force.ravel() for force in inner.forces], [[-1, 2], [3, 4], [1, 3]])


def test_a_fall_terminates_and_a_time_limit_truncates() -> None:
    def ending(drift: float) -> tuple[int, bool, bool]:
        environment, steps = FlatEnvironment(Slide(0, drift)), 0
        environment.reset()
        while True:
            _, _, terminated, truncated = environment.step(np.array([-0.5, 0], np.float32))
            steps += 1
            if terminated or truncated:
                return steps, terminated, truncated

    assert ending(0.0) == (12, False, True)
    assert ending(1.0)[1:] == (True, False)


def test_an_unbounded_action_is_refused() -> None:
    class Unbounded(Slide):
        def action_spec(self) -> specs.Array:
            return specs.Array((2, 1), np.float64)

    with pytest.raises(DataError, match="not bounded"):
        FlatEnvironment(Unbounded(0))


@pytest.mark.parametrize("stop", [23, 35, 48])
def test_goes_on_to_the_byte(stop: int, tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", 60)
    run(tmp_path / "parts", stop)
    assert run(tmp_path / "parts", 60) == whole
    one, other = (tmp_path / name / "metrics.jsonl" for name in ("whole", "parts"))
    assert one.read_bytes() == other.read_bytes()
    assert [row["step"] for row in whole] == [0, 20, 40, 60]


def test_a_killed_run_loses_what_came_after_its_checkpoint_and_no_more(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    class Mortal(Slide):
        steps_left = 80

        def step(self, action: np.ndarray) -> dm_env.TimeStep:
            Mortal.steps_left -= 1
            if Mortal.steps_left == 0:
                raise Killed
            return super().step(action)

    with pytest.raises(Killed):
        run(tmp_path / "killed", 60, Mortal)
    assert 0 < log.read(tmp_path / "killed" / "metrics.jsonl")[-1]["step"] < 60
    assert run(tmp_path / "killed", 60) == run(tmp_path / "whole", 60)


def test_an_interrupt_saves_and_returns(tmp_path: Path) -> None:
    class Interrupting(Slide):
        def step(self, action: np.ndarray) -> dm_env.TimeStep:
            if len(self.forces) == 5 and not (tmp_path / "done").exists():
                (tmp_path / "done").touch()
                os.kill(os.getpid(), signal.SIGINT)
            return super().step(action)

    run(tmp_path / "run", 60, Interrupting, eval_episodes=1)
    assert log.read(tmp_path / "run" / "metrics.jsonl")[-1]["step"] == 0
    assert run(tmp_path / "run", 60, eval_episodes=1) == run(tmp_path / "whole", 60, eval_episodes=1)


def test_another_plan_or_environment_is_refused(tmp_path: Path) -> None:
    run(tmp_path, 30)
    with pytest.raises(RunError, match="another seed"):
        run(tmp_path, 30, seed=1)
    with pytest.raises(NilError, match="exactly"):
        run(tmp_path, 60, lambda seed: Slide(seed + 1))


def test_a_reward_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    class Broken(Slide):
        steps_left = 40  # more than the first evaluation takes

        def step(self, action: np.ndarray) -> dm_env.TimeStep:
            Broken.steps_left -= 1
            return super().step(action)._replace(reward=np.nan if Broken.steps_left < 0 else 0.0)

    with pytest.raises(NumericalError, match="not a number"):
        run(tmp_path, 60, Broken)
    assert (tmp_path / "checkpoints" / "failed" / "loop.json").exists()


def test_learns_in_a_task_of_the_control_suite(tmp_path: Path) -> None:
    def pendulum(seed: int) -> dm_env.Environment:
        return suite.load("pendulum", "swingup", task_kwargs={"random": seed, "time_limit": 0.5})

    curve = run(tmp_path, 40, pendulum)
    assert [row["step"] for row in curve] == [0, 20, 40]
    assert {row["episode_length"] for row in curve} == {25}
    assert "critic_loss" in log.read(tmp_path / "metrics.jsonl")[-2]
