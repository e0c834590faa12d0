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
    from nil_core.learning import OffPolicyAgent

PICKLE_SUFFIXES = {".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib"}


LAYOUT = {"joint_positions": slice(0, 3), "joint_velocities": slice(3, 6), "height": slice(6, 7)}
SPEC = AgentSpec(observation_size=7, action_size=3, num_envs=4, horizon=10, total_steps=400, seed=3, layout=LAYOUT)
"""What the agent of a check is made for."""


def check_agent(make: Callable[[AgentSpec], Agent], rounds: int = 20, exact: bool = True) -> None:
    """Check that an agent acts within bounds, is deterministic given its seed, and resumes exactly from what it saved.

    Args:
        make: constructs the agent; choose options with which it learns within half of ``rounds``.
        rounds: control steps of 4 environments.
        exact: False for an agent with the capability ``inexact_resume``: what it saved must act as it did, and need not
            learn on as it would have.

    Raises:
        AssertionError: says what is broken.
    """
    spec = SPEC
    agent = make(spec)
    assert isinstance(agent, Agent), "an agent has act, observe, update, save and load"
    _check_actions(agent)
    half = rounds // 2
    uninterrupted = make(spec)
    first = _interact_and_log(uninterrupted, range(half))
    # made after the other has acted: libraries that seed the whole process are as good the second time
    assert _interact_and_log(make(spec), range(half)) == first, "the same seed gives the same actions and metrics"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "saved")
        folder.mkdir()
        uninterrupted.save(folder)
        pickled = sorted(path.name for path in folder.rglob("*") if path.suffix in PICKLE_SUFFIXES)
        assert not pickled, f"no file may be pickled: {', '.join(pickled)}"
        resumed = make(replace(spec, seed=spec.seed + 1))
        resumed.load(folder)
        remaining = range(half, rounds)
        if exact:
            expected, got = _interact_and_log(uninterrupted, remaining), _interact_and_log(resumed, remaining)
            assert got == expected, (
                "an agent that was saved and loaded continues as the uninterrupted one, to the byte "
                "(one that cannot says so by the capability inexact_resume)"
            )
        else:
            _check_same_policy(uninterrupted, resumed, "an agent that was loaded acts as the one that was saved")
            _interact_and_log(resumed, remaining)
        _check_load_fails(make(spec), Path(temporary, "empty"), "an empty folder")
        _check_load_fails(make(replace(spec, action_size=4)), folder, "an agent of another action size")
        _check_load_without_replay(make(spec), make(spec), folder)


def check_network(make: Callable[[AgentSpec], ExportingAgent]) -> None:
    """Check that the network of an agent with the capability ``exports`` is its deterministic policy after learning."""
    import torch

    agent = make(SPEC)
    assert isinstance(agent, ExportingAgent), "an agent with the capability exports has network()"
    _interact_and_log(agent, range(20))
    observations = np.random.default_rng(1).normal(size=(50, 7)).astype(np.float32)
    for rows in (observations, observations[:1]):
        with torch.inference_mode():
            actions = agent.network()(torch.from_numpy(rows)).numpy()
        expected = agent.act(rows, explore=False)
        assert actions.dtype == np.float32 and actions.shape == expected.shape, "float32 (B, obs) to float32 (B, act)"
        assert np.abs(actions - expected).max() < 1e-6, "network() is what act(observations, explore=False) computes"


def random_transitions(count: int, observation_size: int, action_size: int, seed: int = 0) -> Transitions:
    """Random transitions, three in ten of which terminate and three in ten are truncated."""
    rng = np.random.default_rng(seed)
    return Transitions(
        observations=rng.standard_normal((count, observation_size), np.float32),
        actions=rng.uniform(-1, 1, (count, action_size)).astype(np.float32),
        rewards=rng.standard_normal(count, np.float32),
        next_observations=rng.standard_normal((count, observation_size), np.float32),
        terminations=rng.random(count) < 0.3,
        truncations=rng.random(count) < 0.3,
    )


def interact(agent: OffPolicyAgent, steps: int) -> list[Floats]:
    """Act, observe and update as the training loop does, on random transitions that reward the first action entry.

    Args:
        agent: with ``spec.num_envs`` E.
        steps: control steps.

    Returns:
        for each step the actions (E, act).
    """
    spec, all_actions = agent.spec, []
    for _ in range(steps):
        count = spec.num_envs
        transitions = random_transitions(count, spec.observation_size, spec.action_size, seed=agent.explored_steps)
        actions = agent.act(transitions.observations, explore=True)
        agent.observe(replace(transitions, actions=actions, rewards=transitions.rewards + actions[:, 0]))
        agent.update(count)
        all_actions.append(actions)
    return all_actions


def _check_actions(agent: Agent) -> None:
    for count, explore in ((4, True), (4, False), (1, False)):
        actions = agent.act(np.random.default_rng(0).normal(size=(count, 7)).astype(np.float32), explore)
        assert actions.dtype == np.float32, f"actions are float32, not {actions.dtype}"
        assert actions.shape == (count, 3), f"actions are (N, act) ({count}, 3), not {actions.shape}"
        assert np.abs(actions).max() <= 1, "actions lie in [-1, 1]"


def _interact_and_log(agent: Agent, rounds: range) -> list[tuple[bytes, bytes, dict[str, float]]]:
    """Some control steps on random transitions; the actions and metrics of each."""
    history = []
    for i in rounds:
        rng = np.random.default_rng(i)
        observations, next_observations = rng.normal(size=(2, 4, 7)).astype(np.float32)
        actions = agent.act(observations, explore=True)
        rewards = -np.abs(actions).sum(1)
        ends = np.full(4, i % 7 == 6), np.full(4, i % 10 == 9)
        envs = np.arange(4, dtype=np.int32)
        agent.observe(Transitions(observations, actions, rewards, next_observations, *ends, envs))
        logged = dict(agent.update(4))
        assert all(np.isfinite(value) for value in logged.values()), f"update() logs finite numbers: {logged}"
        history.append((actions.tobytes(), agent.act(observations, explore=False).tobytes(), logged))
    return history


def _check_load_without_replay(complete: Agent, policy_only: Agent, folder: Path) -> None:
    """Check that a folder without its replay buffer, such as ``checkpoints/best``, gives the same policy."""
    complete.load(folder)
    for file in folder.glob("replay*"):
        file.unlink()
    policy_only.load(folder)
    _check_same_policy(complete, policy_only, "without its files replay* an agent acts as the one that was saved")


def _check_same_policy(saved: Agent, loaded: Agent, promise: str) -> None:
    observations = np.random.default_rng(2).normal(size=(50, 7)).astype(np.float32)
    expected, got = (agent.act(observations, explore=False) for agent in (saved, loaded))
    assert np.array_equal(got, expected), promise


def _check_load_fails(agent: Agent, folder: Path, what: str) -> None:
    folder.mkdir(exist_ok=True)
    try:
        agent.load(folder)
    except RunError:
        return
    raise AssertionError(f"load() of {what} raises RunError")
