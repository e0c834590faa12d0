"""Behavioral cloning from observation: what it learns, exactness, and demonstrations that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nil_agent_bco import CARD, BcoOptions
from nil_agent_bco.cloning_from_observation import CloningFromObservation
from nil_core.api import AgentSpec, ConfigError, DataError, Demonstrations, Transitions, write_demonstrations
from nil_core.testing import check_agent, check_card, check_network, toy_scene

SIZE, ACTION = 3, 3
GAIN = 0.3


def spec(**changes: Any) -> AgentSpec:
    sizes = {"observation_size": SIZE, "action_size": ACTION, "num_envs": 4, "horizon": 10}
    return AgentSpec(**{**sizes, "total_steps": 2000, "seed": 3, **changes})


def dynamics(states: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Points that actions move, each axis by another amount."""
    return (0.9 * states + actions * np.array([0.3, 0.2, 0.4])).astype(np.float32)


def demonstrations(size: int = SIZE, **changes: Any) -> Demonstrations:
    """Trajectories of an expert that moves points towards (0.5, ...); without its actions."""
    rows = []
    rng = np.random.default_rng(0)
    for _ in range(20):
        state = rng.uniform(-1, 1, (1, SIZE)).astype(np.float32)
        for _ in range(10):
            rows.append(np.resize(state[0], size))
            state = dynamics(state, expert(state))
    given = {
        "robot": "points",
        "joints": ("a", "b", "c"),
        "hz": 25.0,
        "lengths": np.full(20, 10),
        "qpos": np.zeros((200, 1)),
        "qvel": np.zeros((200, 1)),
        "observations": np.array(rows, np.float32),
    }
    return Demonstrations(**{**given, **changes})


def expert(states: np.ndarray) -> np.ndarray:
    return np.clip(0.8 * (0.5 - states), -1, 1).astype(np.float32)


def file(folder: Path, size: int = SIZE, **changes: Any) -> Path:
    path = folder / f"points{size}.npz"
    write_demonstrations(path, demonstrations(size, **changes))
    return path


def agent(path: Path, made_for: AgentSpec | None = None, **options: Any) -> CloningFromObservation:
    small = {"hidden": (32,), "replay_ratio": 1.0, "batch_size": 16, "exploration_steps": 20, "buffer_size": 2000}
    return CloningFromObservation(BcoOptions(demonstrations=path, **{**small, **options}), made_for or spec())


def interact(learner: CloningFromObservation, steps: int) -> list[dict[str, float]]:
    """Control steps of 4 points, put anywhere after ten; what each update gave."""
    rng, told = np.random.default_rng(0), []
    states = rng.uniform(-1, 1, (4, SIZE)).astype(np.float32)
    for step in range(steps):
        actions = learner.act(states, explore=True)
        following = dynamics(states, actions)
        ends = np.full(4, step % 10 == 9)
        learner.observe(Transitions(states, actions, np.zeros(4, np.float32), following, ends & False, ends))
        told.append(dict(learner.update(4)))
        states = rng.uniform(-1, 1, (4, SIZE)).astype(np.float32) if ends[0] else following
    return told


@pytest.mark.parametrize("options", [{}, {"loss": "mse", "alpha": 0.5}])
def test_contract(tmp_path: Path, options: dict[str, Any]) -> None:
    check_card(CARD)
    path = file(tmp_path, 7)
    check_agent(lambda spec: agent(path, spec, **options))
    check_network(lambda spec: agent(path, spec, **options))


@pytest.mark.parametrize("loss", ["likelihood", "mse"])
def test_learns_an_experts_actions_from_its_states_alone(tmp_path: Path, loss: str) -> None:
    learner = agent(file(tmp_path), loss=loss, exploration_steps=300, batch_size=64)
    interact(learner, 200)
    rng = np.random.default_rng(2)
    states, actions = rng.uniform(-0.5, 1, (200, SIZE)).astype(np.float32), rng.uniform(-1, 1, (200, ACTION))
    with torch.no_grad():
        change = torch.from_numpy(np.concatenate([states, dynamics(states, actions) - states], axis=1))
        assert np.abs(learner.inverse(change).numpy() - actions).mean() < 0.1
    inside = demonstrations().observations
    assert np.abs(learner.act(inside, explore=False) - expert(inside)).mean() < 0.1


def test_rounds_follow_alpha_and_random_actions_decay(tmp_path: Path) -> None:
    path = file(tmp_path)
    learner = agent(path, alpha=0.5, random_share=0.8, random_decay=0.5)
    told = interact(learner, 12)
    shares = [each["random_share"] for each in told]
    assert shares == [1.0] * 4 + [0.8] * 2 + [0.8, 0.4, 0.4, 0.2, 0.2, 0.2]  # 20 environment steps, then 10 each
    assert len(learner.replay) == 48
    once = agent(path, alpha=0.0)
    assert [each["random_share"] for each in interact(once, 12)] == [1.0] * 4 + [0.0] * 8
    assert len(once.replay) == 20, "BCO(0) learns from the exploration alone"


def test_gradient_steps_are_spread_over_the_run_and_the_policy_learns_after_exploring(tmp_path: Path) -> None:
    learner = agent(file(tmp_path), spec(total_steps=200), exploration_steps=None, replay_ratio=0.2)
    told = interact(learner, 50)
    assert [bool(each) for each in told[:7]] == [False, True, True, True, True, False, True]  # 0.8 every 4 steps
    assert ["policy_loss" in each for each in told[:5]] == [False, False, False, False, True]  # a tenth of 200: 20
    assert (learner.inverse_optimizer.steps, learner.policy_optimizer.steps) == (40, 40 - 3)


def test_first_actions_are_uniform(tmp_path: Path) -> None:
    learner = agent(file(tmp_path))
    actions = learner.act(np.zeros((3000, SIZE), np.float32), explore=True)
    assert np.abs(np.quantile(actions, [0, 0.25, 0.5, 0.75, 1]) - [-1, -0.5, 0, 0.5, 1]).max() < 0.05


def test_states_of_a_robot_are_observed_as_its_environments_do(tmp_path: Path) -> None:
    scene = toy_scene()
    joints = tuple(actuator.joint for actuator in scene.spec.actuators)
    rng = np.random.default_rng(0)
    qpos, qvel = rng.normal(size=(9, scene.model.nq)), rng.normal(size=(9, scene.model.nv))
    qpos[:, 3:7] /= np.linalg.norm(qpos[:, 3:7], axis=1, keepdims=True)
    path = tmp_path / "robot.npz"
    same = {"robot": scene.spec.name, "joints": joints, "qpos": qpos, "qvel": qvel, "observations": None}
    write_demonstrations(path, demonstrations(**same, hz=50.0, lengths=np.array([5, 4])))

    class Observed:
        columns = np.array([1, 4])

        def __call__(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
            return np.stack([qpos[:, 7], qvel[:, 6]], axis=1).astype(np.float32)

    size = {"observation_size": 6, "action_size": len(joints), "scene": scene, "control_hz": 25.0}
    learner = agent(path, spec(**size, observe_states=Observed()))
    states, following = learner.demonstrations
    rows = np.array([0, 1, 2, 5, 6])  # every other row is a control step
    np.testing.assert_array_equal(states, np.stack([qpos[rows, 7], qvel[rows, 6]], axis=1).astype(np.float32))
    np.testing.assert_array_equal(following[:, 0], qpos[rows + 2, 7].astype(np.float32))
    observations = rng.normal(size=(4, 6)).astype(np.float32)
    others = observations.copy()
    others[:, [0, 2, 3, 5]] = 0  # not of the state
    np.testing.assert_array_equal(learner.act(observations, False), learner.act(others, False))
    with pytest.raises(ConfigError, match="relative to the motion") as refused:
        agent(path, spec(**size))
    assert "motion.base=false" in refused.value.hint
    with pytest.raises(DataError, match="no multiple of 40"):
        agent(path, spec(**{**size, "control_hz": 40.0}, observe_states=Observed())).act(observations, explore=True)


def test_refuses_states_of_another_task_and_another_robot(tmp_path: Path) -> None:
    at_zero = np.zeros((4, SIZE), np.float32)
    with pytest.raises(DataError, match="7 observed numbers"):
        agent(file(tmp_path, 7)).act(at_zero, explore=True)
    with pytest.raises(DataError, match="no observed numbers"):
        agent(file(tmp_path, observations=None)).act(at_zero, explore=True)
    with pytest.raises(DataError, match="there is no file"):
        agent(tmp_path / "missing.npz").act(at_zero, explore=True)
