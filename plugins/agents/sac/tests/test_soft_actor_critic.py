"""Soft actor-critic: losses against an independent numpy implementation, exactness, and a task it learns."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nil_agent_sac import SacOptions
from nil_agent_sac.soft_actor_critic import SoftActorCritic
from nil_core.api import Agent, AgentSpec, NumericalError, RunError, Transitions
from nil_core.testing import interact, random_transitions

OBSERVATION, ACTION = 5, 2


def spec(**changes: Any) -> AgentSpec:
    sizes = {"observation_size": OBSERVATION, "action_size": ACTION, "num_envs": 3, "horizon": 10}
    return AgentSpec(**{**sizes, "total_steps": 1000, "seed": 3, **changes})


def agent(seed: int = 3, **options: Any) -> SoftActorCritic:
    small = {"hidden": (16, 16), "batch_size": 8, "replay_ratio": 1.0, "learning_starts": 0, "buffer_size": 500}
    small |= {"critic_warmup": 0, "initial_std": 0.2, "initial_temperature": 0.02, "gamma": 0.9}
    return SoftActorCritic(SacOptions(**{**small, **options}), spec(seed=seed))


def transitions(count: int, seed: int = 0) -> Transitions:
    return random_transitions(count, OBSERVATION, ACTION, seed)


def weights(learner: SoftActorCritic) -> list[torch.Tensor]:
    modules = learner.actor, learner.critics, learner.targets, learner.temperature
    return [parameter for module in modules for parameter in module.parameters()]


def adam_moments(learner: SoftActorCritic) -> torch.Tensor:
    optimizers = learner.policy_optimizer, learner.critic_optimizer
    return torch.cat([buffer.flatten() for optimizer in optimizers for buffer in optimizer.buffers()])


# --- An independent implementation in numpy, float64, of the paper's equations.


def numpy_mlp(layers: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    """``layers``: weight (I, O), bias, scale and shift of each hidden layer, then weight and bias of the head."""
    *hidden, weight, bias = layers
    for w, b, scale, shift in zip(*(hidden[i::4] for i in range(4)), strict=True):
        x = x @ w + b
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        x = np.maximum(x * scale + shift, 0)
    return x @ weight + bias


def numpy_policy(
    learner: SoftActorCritic, observations: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    layers = [p.detach().double().numpy().T for p in learner.actor.parameters()]
    mean, raw_log_std = np.split(numpy_mlp(layers, observations), 2, axis=-1)
    log_std = -5 + 3.5 * (1 + np.tanh(raw_log_std))
    u = mean + np.exp(log_std) * noise
    density = np.exp(-(noise**2) / 2) / np.sqrt(2 * np.pi) / np.exp(log_std) / (1 - np.tanh(u) ** 2)
    return np.tanh(u), np.log(density).sum(-1)


def numpy_values(critics: torch.nn.Module, observations: np.ndarray, actions: np.ndarray) -> np.ndarray:
    parameters = [p.detach().double().numpy() for p in critics.parameters()]
    inputs = np.concatenate((observations, actions), -1)
    members = range(len(parameters[0]))
    return np.stack([numpy_mlp([p[member] for p in parameters], inputs)[:, 0] for member in members])


def test_the_averaged_policy_is_evaluated_and_exported_and_changes_no_training() -> None:
    averaged, newest = agent(policy_average=0.5), agent(policy_average=0.0)
    for learner in (averaged, newest):
        interact(learner, 60)
    assert all(torch.equal(one, other) for one, other in zip(weights(averaged), weights(newest), strict=True))
    observations = torch.randn(4, OBSERVATION, generator=torch.Generator().manual_seed(0))
    acts = [learner.act(observations.numpy(), explore=False) for learner in (averaged, newest)]
    assert averaged.average is not None and newest.average is None
    with torch.no_grad():
        assert np.array_equal(acts[0], averaged.average.network(observations).mode.numpy())
        assert np.array_equal(acts[1], newest.actor(observations).mode.numpy())
        assert torch.equal(averaged.network()(observations), torch.from_numpy(acts[0]))
    assert not np.allclose(acts[0], acts[1])


def test_losses_are_the_papers_equations() -> None:
    learner = agent(critics=3)
    interact(learner, 40)
    batch = learner.replay.sample(1, 64, learner.generator)[0]
    assert set(batch.discounts.tolist()) == {0.0, np.float32(0.9)}
    noise = torch.randn(64, ACTION, generator=learner.generator)
    columns = batch.observations, batch.actions, batch.next_observations, batch.rewards, batch.discounts
    observations, actions, next_observations, rewards, discounts = (c.double().numpy() for c in columns)
    temperature, eps = learner.temperature().item(), noise.double().numpy()

    next_actions, next_log_prob = numpy_policy(learner, next_observations, eps)
    next_values = numpy_values(learner.targets, next_observations, next_actions).min(0) - temperature * next_log_prob
    td_target = rewards + discounts * next_values
    values = numpy_values(learner.critics, observations, actions)
    expected_critic_loss = sum(0.5 * np.mean((value - td_target) ** 2) for value in values)
    critic_loss, q_mean = learner._step_critics(batch, noise)
    assert critic_loss.item() == pytest.approx(expected_critic_loss, rel=1e-4)
    assert q_mean.item() == pytest.approx(values.mean(), rel=1e-4, abs=1e-5)

    new_actions, log_prob = numpy_policy(learner, observations, eps)
    values = numpy_values(learner.critics, observations, new_actions).min(0)
    critics = [parameter.clone() for parameter in learner.critics.parameters()]
    actor_loss, entropy, reported = learner._step_policy(batch, noise)
    assert actor_loss.item() == pytest.approx(np.mean(temperature * log_prob - values), rel=1e-4, abs=1e-5)
    assert entropy.item() == pytest.approx(-log_prob.mean(), rel=1e-4)
    assert reported.item() == pytest.approx(temperature)
    # Entropy above its target: the temperature decreases, by Adam's step of about the learning rate; and vice versa.
    decreased = learner.temperature().item() < temperature
    assert decreased == (entropy.item() > -0.3 * ACTION)
    assert all(map(torch.equal, critics, learner.critics.parameters())), "the policy's step changed the critics"


def test_policy_gradient_is_that_of_the_loss() -> None:
    learner = agent()
    interact(learner, 20)
    batch = learner.replay.sample(1, 8, learner.generator)[0]
    noise = torch.randn(8, ACTION, generator=learner.generator)
    observations, eps = batch.observations.double().numpy(), noise.double().numpy()
    temperature = learner.temperature().item()
    bias = list(learner.actor.parameters())[-1]

    def loss() -> float:
        actions, log_prob = numpy_policy(learner, observations, eps)
        return float(np.mean(temperature * log_prob - numpy_values(learner.critics, observations, actions).min(0)))

    expected = []
    for entry in range(len(bias)):
        pair = []
        for shift in (1e-3, -1e-3):
            with torch.no_grad():
                bias[entry] += shift
                pair.append(loss())
                bias[entry] -= shift
        expected.append((pair[0] - pair[1]) / 2e-3)
    found: list[torch.Tensor] = []
    learner.policy_optimizer.minimize = lambda loss: found.extend(torch.autograd.grad(loss, bias))
    learner._step_policy(batch, noise)
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=0.02, atol=2e-4)


@pytest.mark.parametrize(
    ("hidden", "critics", "batch_size", "sizes"),
    [((16, 16), 2, 8, (5, 2)), ((24, 7, 40), 3, 33, (11, 4)), ((9,), 2, 1, (3, 1)), ((128, 128), 2, 128, (70, 12))],
)
def test_the_numba_step_equals_the_torch_step(
    hidden: tuple[int, ...], critics: int, batch_size: int, sizes: tuple[int, int]
) -> None:
    def learner(compiled: bool) -> SoftActorCritic:
        options = SacOptions(hidden=hidden, critics=critics, batch_size=batch_size, buffer_size=500, compiled=compiled)
        made = SoftActorCritic(options, spec(observation_size=sizes[0], action_size=sizes[1]))
        with torch.no_grad():  # away from the initial weights: those of the head are near zero
            for parameter in made.actor.parameters():
                parameter += 0.1 * torch.randn(parameter.shape, generator=made.generator)
        made.observe(random_transitions(300, *sizes))
        return made

    fast, plain = learner(True), learner(False)
    assert fast.compiled is not None and plain.compiled is None

    def step(learner: SoftActorCritic) -> torch.Tensor:
        drawn = learner.replay.sample(1, batch_size, learner.generator)[0]
        return torch.stack(learner.gradient_step(drawn, learner.noise(2, batch_size, sizes[1])))

    for count in range(3):
        torch.testing.assert_close(step(fast), step(plain), rtol=1e-3, atol=1e-4)
        if count == 0:  # the moments are the gradients; later, Adam amplifies rounding errors
            torch.testing.assert_close(adam_moments(fast), adam_moments(plain), rtol=1e-3, atol=1e-6)
            torch.testing.assert_close(fast.temperature(), plain.temperature())
        torch.testing.assert_close(fast.target_parameters, plain.target_parameters, rtol=1e-4, atol=1e-5)


def test_without_numba_it_learns_by_torch_and_logs_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "nil_agent_sac.numba_kernels", None)
    with caplog.at_level(logging.WARNING, "nil"):
        learner = agent()
        assert not caplog.text
        interact(learner, 20)
    assert learner.compiled is None
    assert caplog.text.count("numba backend is off") == 1


def test_a_nan_weight_is_reported() -> None:
    learner = agent()
    learner.observe(transitions(50))
    with torch.no_grad():
        next(learner.actor.parameters())[0, 0] = torch.nan
    with pytest.raises(NumericalError, match="nan"):
        learner.update(1)


def test_targets_follow_by_the_moving_average() -> None:
    learner = agent(tau=0.25)
    learner.observe(transitions(50))
    before = [target.clone() for target in learner.targets.parameters()]
    learner.update(1)
    for old, new, critic in zip(before, learner.targets.parameters(), learner.critics.parameters(), strict=True):
        torch.testing.assert_close(new, 0.75 * old + 0.25 * critic.detach())
        assert not new.requires_grad


def test_next_observations_of_terminations_have_no_effect() -> None:
    data = transitions(50)

    def after_update(terminated: bool, shift: float) -> list[torch.Tensor]:
        learner = agent()
        ends = np.full(50, terminated)
        next_observations = data.next_observations + np.float32(shift)
        learner.observe(
            Transitions(
                **{**vars(data), "terminations": ends, "truncations": ~ends, "next_observations": next_observations}
            )
        )
        learner.update(1)
        return [parameter.clone() for parameter in learner.critics.parameters()]

    assert all(map(torch.equal, after_update(True, 0), after_update(True, 1)))
    assert not all(map(torch.equal, after_update(False, 0), after_update(False, 1)))


@pytest.mark.parametrize("seed", [0, 1])
def test_learns_a_one_step_task(seed: int) -> None:
    learner = agent(seed, batch_size=64, hidden=(32, 32), learning_starts=200, learning_rate=3e-3)
    rng, zeros = np.random.default_rng(seed), np.zeros((20, OBSERVATION), np.float32)
    best = np.array([0.5, -0.3])

    def error() -> float:
        return float(np.abs(learner.act(zeros[:1], explore=False) - best).max())

    assert error() > 0.2
    for _ in range(40):
        actions = learner.act(zeros, explore=True)
        rewards = -np.square(actions - best).sum(-1) + 0.1 * rng.standard_normal(20)
        ends = np.ones(20, np.bool_)
        learner.observe(Transitions(zeros, actions, rewards.astype(np.float32), zeros, ends, ~ends))
        learner.update(20)
    assert error() < 0.1


def test_deterministic_given_its_seed_without_global_randomness() -> None:
    torch.manual_seed(0)
    first = agent()
    actions = interact(first, 20)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    second = agent()
    np.testing.assert_array_equal(actions, interact(second, 20))
    assert all(map(torch.equal, weights(first), weights(second)))
    assert torch.equal(torch.get_rng_state(), before)
    assert not np.array_equal(actions, interact(agent(seed=4), 20))


@pytest.mark.parametrize("options", [{}, {"learning_starts": 100, "replay_ratio": 0.4, "buffer_size": 120}])
def test_continues_bit_for_bit_after_loading(tmp_path: Path, options: dict[str, Any]) -> None:
    uninterrupted, interrupted, resumed = agent(**options), agent(**options), agent(seed=9, **options)
    actions = interact(uninterrupted, 60)
    interact(interrupted, 30)
    interrupted.save(tmp_path)
    resumed.load(tmp_path)
    np.testing.assert_array_equal(actions[30:], interact(resumed, 30))
    assert all(map(torch.equal, weights(uninterrupted), weights(resumed)))


def test_n_step_returns_reach_the_critics_and_survive_loading(tmp_path: Path) -> None:
    """Three environments in lockstep, whose observations are linked."""
    points = np.random.default_rng(0).standard_normal((41, 3, OBSERVATION), np.float32)

    def learn(learner: SoftActorCritic, steps: range) -> list[torch.Tensor]:
        for step in steps:
            data = random_transitions(3, OBSERVATION, ACTION, seed=step)
            linked = {"observations": points[step], "next_observations": points[step + 1]}
            learner.observe(Transitions(**{**vars(data), **linked}))
            learner.update(3)
        return [parameter.clone() for parameter in weights(learner)]

    one, three, resumed = agent(n_step=1), agent(n_step=3), agent(seed=9, n_step=3)
    learn(three, range(20))
    three.save(tmp_path)
    resumed.load(tmp_path)
    expected = learn(three, range(20, 40))
    assert all(map(torch.equal, expected, learn(resumed, range(20, 40))))
    assert not all(map(torch.equal, expected, learn(one, range(40))))


@pytest.mark.parametrize("changes", [{"hidden": (16,)}, {"hidden": (16, 8)}, {"critics": 3}, {"buffer_size": 400}])
def test_refuses_another_agents_folder(tmp_path: Path, changes: dict[str, Any]) -> None:
    saved = agent()
    interact(saved, 5)
    saved.save(tmp_path)
    with pytest.raises(RunError):
        agent(**changes).load(tmp_path)


def test_refuses_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError):
        agent().load(tmp_path)


@settings(deadline=None, max_examples=20)
@given(ratio=st.sampled_from([0.1, 0.3, 1 / 3, 0.75, 1.0, 2.5]), calls=st.lists(st.integers(0, 7), max_size=8))
def test_replay_ratio_is_kept_exactly(ratio: float, calls: list[int]) -> None:
    learner, updates = agent(replay_ratio=ratio), 0
    learner.observe(transitions(50))

    def count(steps: int) -> list[torch.Tensor]:
        nonlocal updates
        updates += steps
        return [torch.zeros(())] * (5 * steps)

    learner._learn = count  # type: ignore[method-assign,assignment]
    for steps in calls:
        learner.update(steps)
    assert updates == int(sum(calls) * Fraction(str(ratio)))


def test_learns_nothing_before_learning_starts() -> None:
    learner = agent(learning_starts=30)
    learner.observe(transitions(29))
    assert learner.update(100) == {}
    learner.observe(transitions(1))
    assert set(learner.update(1)) == {"critic_loss", "actor_loss", "temperature", "entropy", "q_mean"}
    assert learner.update(0) == {}


def test_acts_uniformly_before_learning_starts_only() -> None:
    learner = agent(learning_starts=3000, buffer_size=3000, initial_std=0.02)
    zeros = np.zeros((1500, OBSERVATION), np.float32)
    learner.act(zeros, explore=False)
    uniform = np.concatenate([learner.act(zeros, explore=True) for _ in range(2)])
    assert uniform.shape == (3000, ACTION) and uniform.dtype == np.float32
    assert np.abs(np.quantile(uniform, [0, 0.25, 0.5, 0.75, 1]) - [-1, -0.5, 0, 0.5, 1]).max() < 0.05
    assert learner.act(zeros, explore=True).std() == pytest.approx(0.02, rel=0.1)


def test_starts_near_zero_with_the_initial_std() -> None:
    learner = agent(initial_std=0.37)
    observations = transitions(2000).observations
    mode, sample = learner.act(observations, explore=False), learner.act(observations, explore=True)
    assert np.abs(mode).max() < 0.05
    assert np.arctanh(sample).std() == pytest.approx(0.37, rel=0.05)
    np.testing.assert_array_equal(mode, learner.act(observations, explore=False))


def test_divergence_is_an_error_that_names_the_loss() -> None:
    learner = agent()
    data = transitions(50)
    learner.observe(Transitions(**{**vars(data), "rewards": np.full(50, np.nan, np.float32)}))
    with pytest.raises(NumericalError, match="critic_loss nan"):
        learner.update(1)


def test_the_thread_count_of_the_process_is_restored() -> None:
    former = torch.get_num_threads()
    interact(agent(threads=former + 1), 3)
    assert torch.get_num_threads() == former


def test_the_numba_step_uses_one_blas_thread() -> None:
    code = """
import threadpoolctl
class Controller(threadpoolctl.ThreadpoolController):
    def limit(self, **limits):
        print(limits["limits"], any("scipy" in pool["filepath"] for pool in self.info()))
        return super().limit(**limits)
threadpoolctl.ThreadpoolController = Controller
from nil_agent_sac import SacOptions
from nil_agent_sac.soft_actor_critic import SoftActorCritic
from nil_core.api import AgentSpec
from nil_core.testing import random_transitions
agent = SoftActorCritic(SacOptions(hidden=(8,), batch_size=4, threads=3), AgentSpec(3, 2, 1, 10, 100, seed=0))
agent.observe(random_transitions(20, 3, 2))
agent.update(2)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "1 True\n" * 2


def test_fresh_and_cached_compilations_agree_bit_for_bit(tmp_path: Path) -> None:
    code = """
import zlib
from nil_agent_sac import SacOptions
from nil_agent_sac.soft_actor_critic import SoftActorCritic
from nil_core.api import AgentSpec
from nil_core.testing import random_transitions
agent = SoftActorCritic(SacOptions(batch_size=32), AgentSpec(85, 12, 1, 10, 100, seed=0))
agent.observe(random_transitions(200, 85, 12))
agent.update(100)
print(zlib.crc32(agent.policy_optimizer.flat_parameters.numpy().tobytes()))
"""
    checksums = [
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONHASHSEED": str(process)},
        ).stdout
        for process in range(2)
    ]
    assert checksums[0] == checksums[1]
    assert any(tmp_path.rglob("*.nbi"))


def test_options_that_could_never_learn_are_refused() -> None:
    with pytest.raises(ValidationError, match="buffer_size"):
        SacOptions(buffer_size=999, learning_starts=1000)


def test_is_an_agent() -> None:
    assert isinstance(agent(), Agent)


def test_heavy_modules_are_imported_late() -> None:
    code = """
import sys
import nil_agent_sac
assert not {"torch", "safetensors"} & set(sys.modules)
from nil_agent_sac.soft_actor_critic import SoftActorCritic
from nil_core.api import AgentSpec
from nil_core.testing import random_transitions
agent = SoftActorCritic(nil_agent_sac.SacOptions(batch_size=4), AgentSpec(3, 2, 1, 10, 100, seed=0))
data = random_transitions(20, 3, 2)
agent.act(data.observations, explore=True)
assert "numba" not in sys.modules
agent.observe(data)
agent.update(1)
assert {"numba", "torch"} <= set(sys.modules) and "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
