"""Behavioral cloning: what it learns, exactness, and demonstrations that are refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nil_agent_bc import CARD, BcOptions
from nil_agent_bc.behavioral_cloning import BehavioralCloning
from nil_core.api import AgentSpec, DataError, Demonstrations, RunError, write_demonstrations
from nil_core.testing import check_agent, check_card, check_network, toy_scene

OBSERVATION, ACTION = 7, 3
LAYOUT = {"joint_positions": slice(0, 3), "joint_velocities": slice(3, 6), "height": slice(6, 7)}


def spec(**changes: Any) -> AgentSpec:
    sizes = {"observation_size": OBSERVATION, "action_size": ACTION, "num_envs": 4, "horizon": 10}
    return AgentSpec(**{**sizes, "total_steps": 400, "seed": 3, "layout": LAYOUT, "control_hz": 25.0, **changes})


def demonstrations(**changes: Any) -> Demonstrations:
    """Two trajectories of a policy: a known function of the observation, and 0 in the last row of each."""
    observations = np.random.default_rng(0).normal(1.0, 2.0, (400, OBSERVATION)).astype(np.float32)
    actions = expert(observations)
    lengths = np.array([150, 250])
    actions[lengths.cumsum() - 1] = 0
    given = {
        "robot": "toy",
        "joints": ("a", "b", "c"),
        "hz": 25.0,
        "lengths": lengths,
        "qpos": np.zeros((400, 10)),
        "qvel": np.zeros((400, 9)),
        "actions": actions,
        "observations": observations,
        "layout": LAYOUT,
    }
    return Demonstrations(**{**given, **changes})


def expert(observations: np.ndarray) -> np.ndarray:
    return np.tanh(0.3 * observations[:, :3] - 0.2 * observations[:, 3:6]).astype(np.float32)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "walk.npz"
    write_demonstrations(path, demonstrations())
    return path


def agent(file: Path, made_for: AgentSpec | None = None, **options: Any) -> BehavioralCloning:
    small = {"hidden": (32,), "gradient_steps": 60, "batch_size": 16}
    return BehavioralCloning(BcOptions(demonstrations=file, **{**small, **options}), made_for or spec())


@pytest.mark.parametrize("loss", ["likelihood", "mse"])
def test_contract(file: Path, loss: str) -> None:
    check_card(CARD)
    check_agent(lambda spec: agent(file, spec, loss=loss))
    check_network(lambda spec: agent(file, spec, loss=loss))


@pytest.mark.parametrize("loss", ["likelihood", "mse"])
def test_clones_a_policy_in_the_first_half_of_a_run(file: Path, loss: str) -> None:
    learner = agent(file, loss=loss, gradient_steps=1500, learning_rate=3e-3, batch_size=64)
    observations = np.random.default_rng(1).normal(1.0, 2.0, (500, OBSERVATION)).astype(np.float32)

    def error() -> float:
        return float(np.abs(learner.act(observations, explore=False) - expert(observations)).mean())

    before = error()
    losses = [learner.update(4) for _ in range(50)]
    assert all(losses) and losses[-1]["loss"] < losses[0]["loss"]
    assert error() < 0.2 * before
    assert learner.gradient_steps == 1500 and learner.update(4) == {}
    noise = learner.act(observations, explore=True) - learner.act(observations, explore=False)
    assert (np.abs(noise).max() > 0) == (loss == "likelihood")


def test_the_likelihood_is_that_of_a_gaussian(file: Path) -> None:
    learner = agent(file)
    learner.update(40)
    observations, actions = learner.demonstrations
    with torch.no_grad():
        mean, std = (each.double().numpy() for each in learner.model._mean_and_std(observations))
        found = learner.model.loss(observations, actions).item()
    z = (actions.double().numpy() - mean) / std
    assert found == pytest.approx((z**2 / 2 + np.log(std) + np.log(2 * np.pi) / 2).mean(), rel=1e-4)


def test_observations_are_normalized_by_the_demonstrations_and_last_rows_left_out(file: Path) -> None:
    learner = agent(file)
    learner.update(4)
    observations, actions = learner.demonstrations
    kept = np.delete(np.arange(400), [149, 399])
    np.testing.assert_array_equal(observations, demonstrations().observations[kept])
    assert actions.abs().min() > 0
    np.testing.assert_allclose(learner.model.normalizer.mean, observations.double().mean(0), rtol=1e-6)


def test_a_saved_policy_acts_without_the_file(file: Path, tmp_path: Path) -> None:
    learner, folder = agent(file), tmp_path / "saved"
    learner.update(40)
    folder.mkdir()
    learner.save(folder)
    file.unlink()
    loaded = agent(file)
    loaded.load(folder)
    observations = np.ones((4, OBSERVATION), np.float32)
    np.testing.assert_array_equal(loaded.act(observations, False), learner.act(observations, False))
    with pytest.raises(DataError, match="there is no file"):
        loaded.act(observations, explore=True)
    with pytest.raises(RunError):
        agent(file, hidden=(8,)).load(folder)


@pytest.mark.parametrize(
    ("changes", "says", "mends"),
    [
        ({"actions": None}, "has no actions", "--agent bco"),
        ({"observations": None, "layout": {}}, "has no observations", "nil record"),
        ({"observations": np.zeros((400, 5), np.float32), "layout": {}}, "5 observed numbers", "record a run"),
        ({"layout": {**LAYOUT, "heading": slice(6, 7)}}, "other terms .*: heading", "record a run"),
        ({"layout": {**LAYOUT, "height": slice(6, 8)}}, "other terms .*: height", "record a run"),
        (
            {"layout": {name: LAYOUT[name] for name in ("joint_positions", "joint_velocities")}},
            "other terms .*: height",
            "--set environment.observation.height=false",
        ),
        ({"provenance": {"actions_about": "motion"}}, "relative to the motion", "motion.base=true"),
        ({"hz": 50.0}, "50 actions per second", "environment.control_hz=50"),
    ],
)
def test_refuses_what_it_cannot_clone(tmp_path: Path, changes: dict[str, Any], says: str, mends: str) -> None:
    path = tmp_path / "other.npz"
    write_demonstrations(path, demonstrations(**changes))
    with pytest.raises(DataError, match=says) as refused:
        agent(path).act(np.zeros((4, OBSERVATION), np.float32), explore=True)
    assert mends in refused.value.hint and "other.npz" in refused.value.message + refused.value.hint


def test_refuses_another_robot(file: Path) -> None:
    with pytest.raises(DataError, match="robot"):
        agent(file, spec(scene=toy_scene())).update(4)


def test_heavy_modules_are_imported_late() -> None:
    code = "import sys, nil_agent_bc; assert not {'torch', 'safetensors', 'mujoco'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
