"""The contract of an agent."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nil_core.errors import RunError
from nil_core.interfaces import Agent, ExportingAgent
from nil_core.types import AgentSpec, Floats, Transitions

if TYPE_CHECKING:
    from nil_core.learning import ReplayLearner

PICKLES = {".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib"}


def check_agent(make: Callable[[AgentSpec], Agent], rounds: int = 20) -> None:
    """Whether an agent acts within bounds, repeats itself from its seed, and goes on exactly from what it saved.

    Args:
        make: constructs the agent; choose its options so that it learns within half of ``rounds``.
        rounds: control steps of 4 environments.
    """
    setting = AgentSpec(observation_size=7, action_size=3, num_envs=4, horizon=10, total_steps=400, seed=3)
    agent = make(setting)
    assert isinstance(agent, Agent), "an agent has act, observe, update, save and load"
    _check_actions(agent)
    half = rounds // 2
    unbroken, again = make(setting), make(setting)
    first = _live(unbroken, range(half))
    assert _live(again, range(half)) == first, "the same seed gives the same life"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "saved")
        folder.mkdir()
        unbroken.save(folder)
        pickles = sorted(path.name for path in folder.rglob("*") if path.suffix in PICKLES)
        assert not pickles, f"nothing is pickled: {', '.join(pickles)}"
        resumed = make(replace(setting, seed=setting.seed + 1))
        resumed.load(folder)
        expected, got = _live(unbroken, range(half, rounds)), _live(resumed, range(half, rounds))
        assert got == expected, "an agent that was saved and loaded goes on as the unbroken one, to the byte"
        _check_refusal(make(setting), Path(place, "nowhere"), "an empty folder")
        _check_refusal(make(replace(setting, action_size=4)), folder, "an agent of another action size")
        _check_the_policy_alone(make(setting), make(setting), folder)


def check_network(make: Callable[[AgentSpec], ExportingAgent]) -> None:
    """Whether an agent with the capability ``exports`` gives the network of its mode, as it is after learning."""
    import torch

    agent = make(AgentSpec(observation_size=7, action_size=3, num_envs=4, horizon=10, total_steps=400, seed=3))
    assert isinstance(agent, ExportingAgent), "an agent that exports has network()"
    _live(agent, range(20))
    observations = np.random.default_rng(1).normal(size=(50, 7)).astype(np.float32)
    for rows in (observations, observations[:1]):
        with torch.inference_mode():
            actions = agent.network()(torch.from_numpy(rows)).numpy()
        expected = agent.act(rows, explore=False)
        assert actions.dtype == np.float32 and actions.shape == expected.shape, "float32 (B, obs) to float32 (B, act)"
        assert np.abs(actions - expected).max() < 1e-6, "network() is what act(observations, explore=False) computes"


def random_transitions(count: int, observation_size: int, action_size: int, seed: int = 0) -> Transitions:
    """Transitions of a world of noise, three in ten of which terminate and three in ten are cut off."""
    rng = np.random.default_rng(seed)
    return Transitions(
        observations=rng.standard_normal((count, observation_size), np.float32),
        actions=rng.uniform(-1, 1, (count, action_size)).astype(np.float32),
        rewards=rng.standard_normal(count, np.float32),
        next_observations=rng.standard_normal((count, observation_size), np.float32),
        terminations=rng.random(count) < 0.3,
        truncations=rng.random(count) < 0.3,
    )


def live(learner: ReplayLearner, steps: int) -> list[Floats]:
    """Act, observe and update as the training loop does, in a world of noise that rewards the first action entry.

    Args:
        learner: with ``spec.num_envs`` E.
        steps: control steps.

    Returns:
        for each the actions (E, act).
    """
    setting, acted = learner.setting, []
    for _ in range(steps):
        count = setting.num_envs
        experiment = random_transitions(count, setting.observation_size, setting.action_size, seed=learner.acted)
        actions = learner.act(experiment.observations, explore=True)
        learner.observe(replace(experiment, actions=actions, rewards=experiment.rewards + actions[:, 0]))
        learner.update(count)
        acted.append(actions)
    return acted


def _check_actions(agent: Agent) -> None:
    for count, explore in ((4, True), (4, False), (1, False)):
        actions = agent.act(np.random.default_rng(0).normal(size=(count, 7)).astype(np.float32), explore)
        assert actions.dtype == np.float32, f"actions are float32, not {actions.dtype}"
        assert actions.shape == (count, 3), f"actions are (N, act) ({count}, 3), not {actions.shape}"
        assert np.abs(actions).max() <= 1, "actions lie in [-1, 1]"


def _live(agent: Agent, rounds: range) -> list[tuple[bytes, bytes, dict[str, float]]]:
    """Some control steps in a world of noise; what the agent did and logged."""
    diary = []
    for i in rounds:
        rng = np.random.default_rng(i)
        observations, after = rng.normal(size=(2, 4, 7)).astype(np.float32)
        actions = agent.act(observations, explore=True)
        fell, late = np.full(4, i % 7 == 6), np.full(4, i % 10 == 9)
        agent.observe(Transitions(observations, actions, -np.abs(actions).sum(1), after, fell, late))
        logged = dict(agent.update(4))
        assert all(np.isfinite(value) for value in logged.values()), f"update() logs finite numbers: {logged}"
        diary.append((actions.tobytes(), agent.act(observations, explore=False).tobytes(), logged))
    return diary


def _check_the_policy_alone(whole: Agent, alone: Agent, folder: Path) -> None:
    """As ``checkpoints/best`` has it."""
    whole.load(folder)
    for file in folder.glob("replay*"):
        file.unlink()
    alone.load(folder)
    observations = np.random.default_rng(2).normal(size=(50, 7)).astype(np.float32)
    expected, got = (agent.act(observations, explore=False) for agent in (whole, alone))
    assert np.array_equal(got, expected), "without its files replay* an agent acts as the one that was saved"


def _check_refusal(agent: Agent, folder: Path, what: str) -> None:
    folder.mkdir(exist_ok=True)
    try:
        agent.load(folder)
    except RunError:
        return
    raise AssertionError(f"load() of {what} raises RunError")
