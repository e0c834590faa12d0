"""PPO: estimates and losses against plain loops and closed forms, order and exactness, and a task it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nil_agent_ppo import CARD, PpoOptions
from nil_agent_ppo.proximal_policy_optimization import (
    POLICY_METRICS,
    ProximalPolicyOptimization,
    clipped_loss,
    default_rollout_steps,
)
from nil_agent_ppo.reward_scale import RewardScale
from nil_agent_ppo.rollouts import Rollout, advantages
from nil_core.api import AgentSpec, NumericalError, RunError, Transitions
from nil_core.testing import check_agent, check_card, check_network

OBSERVATION, ACTION = 5, 2
SMALL = {"hidden": (16,), "rollout_steps": 3, "epochs": 2, "batch_size": 5}


def spec(**changes: Any) -> AgentSpec:
    sizes = {"observation_size": OBSERVATION, "action_size": ACTION, "num_envs": 3, "horizon": 10}
    return AgentSpec(**{**sizes, "total_steps": 1000, "seed": 3, **changes})


def agent(made_for: AgentSpec | None = None, **options: Any) -> ProximalPolicyOptimization:
    return ProximalPolicyOptimization(PpoOptions(**{**SMALL, **options}), made_for or spec())


def weights(learner: ProximalPolicyOptimization) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in (*learner.policy.parameters(), *learner.critic.parameters())]


def acted(learner: ProximalPolicyOptimization, seed: int) -> Transitions:
    """One control step of every environment, rewarded for the first action entry."""
    rng, envs = np.random.default_rng(seed), learner.spec.num_envs
    observations, following = rng.standard_normal((2, envs, OBSERVATION), np.float32)
    actions = learner.act(observations, explore=True)
    ends = np.full(envs, seed % 7 == 6), np.zeros(envs, np.bool_)
    return Transitions(observations, actions, actions[:, 0], following, *ends, np.arange(envs, dtype=np.int32))


def step(learner: ProximalPolicyOptimization, seed: int, **changes: Any) -> dict[str, float]:
    learner.observe(replace(acted(learner, seed), **changes))
    return dict(learner.update(learner.spec.num_envs))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"normalize_observations": False, "normalize_rewards": False, "learn_std": False, "entropy_weight": 0.01},
        {"target_kl": 0, "rollout_steps": 1},
    ],
)
def test_contract(options: dict[str, Any]) -> None:
    check_card(CARD)
    check_agent(lambda spec: agent(spec, **options))
    check_network(lambda spec: agent(spec, **options))


@pytest.mark.parametrize("gae_lambda", [0.0, 0.7, 1.0])
def test_advantages_equal_sums_of_discounted_errors(gae_lambda: float) -> None:
    rng, steps, envs, gamma = np.random.default_rng(0), 12, 3, 0.9
    rewards, values, following = rng.standard_normal((3, steps, envs))
    terminated = np.zeros((steps, envs))
    terminated[4, 0] = terminated[11, 1] = 1
    ended = terminated.copy()
    ended[7, 0] = ended[3, 2] = 1  # time limits
    expected = np.zeros((steps, envs))
    for env in range(envs):
        for first in range(steps):
            for t in range(first, steps):
                beyond = 0 if terminated[t, env] else following[t, env]
                error = rewards[t, env] + gamma * beyond - values[t, env]
                expected[first, env] += (gamma * gae_lambda) ** (t - first) * error
                if ended[t, env]:
                    break
    tensors = {name: torch.from_numpy(a) for name, a in (("rewards", rewards), ("terminated", terminated))}
    none = torch.zeros(0)
    rollout = Rollout(none, none, none, next_observations=none, ended=torch.from_numpy(ended), **tensors)
    got = advantages(rollout, torch.from_numpy(values), torch.from_numpy(following), gamma, gae_lambda)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_clipped_loss_and_its_gradient() -> None:
    ratios = torch.tensor([0.5, 0.5, 0.9, 1.1, 1.5, 1.5, 1.0], dtype=torch.float64, requires_grad=True)
    gains = torch.tensor([2.0, -2.0, 1.0, -1.0, 3.0, -3.0, 0.5], dtype=torch.float64)
    loss = clipped_loss(ratios, gains, 0.2)
    # r A where that is less than clip(r) A: unclipped below for A > 0 and above for A < 0
    expected = [0.5 * 2, 0.8 * -2, 0.9 * 1, 1.1 * -1, 1.2 * 3, 1.5 * -3, 1.0 * 0.5]
    assert loss.item() == pytest.approx(-np.mean(expected))
    (gradient,) = torch.autograd.grad(loss, ratios)
    np.testing.assert_allclose(gradient * -7, [2, 0, 1, -1, 0, -3, 0.5])


def test_log_probabilities_entropy_and_metrics_of_a_gradient_step() -> None:
    learner = agent(initial_std=0.3, clip=0.1, learning_rate=1e-9)
    step(learner, 0)
    step(learner, 1)
    rollout = learner.rollouts.take(2, learner.device)
    samples = learner._samples(rollout)
    np.testing.assert_allclose(samples.advantages.mean(), 0, atol=1e-6)
    assert samples.advantages.std(correction=0) == pytest.approx(1, rel=1e-5)
    with torch.no_grad():
        learner.policy.log_std += 0.2
    layers = [p.detach().double().numpy() for p in learner.policy.mean.parameters()]
    x = samples.observations.double().numpy()
    mean = np.tanh(x @ layers[0].T + layers[1]) @ layers[2].T + layers[3]

    def log_density(std: float) -> np.ndarray:
        z = (samples.actions.double().numpy() - mean) / std
        return (-(z**2) / 2 - np.log(std) - np.log(2 * np.pi) / 2).sum(-1)

    wide = 0.3 * np.exp(0.2)
    np.testing.assert_allclose(samples.log_probs, log_density(0.3), rtol=1e-4)
    ratios = np.exp(log_density(wide) - log_density(0.3))
    gains = samples.advantages.double().numpy()
    found = dict(zip(POLICY_METRICS, learner._step_policy(samples)[0].tolist(), strict=True))
    bounded = np.clip(ratios, 0.9, 1.1)
    assert found["policy_loss"] == pytest.approx(-np.minimum(ratios * gains, bounded * gains).mean(), rel=1e-3)
    assert found["entropy"] == pytest.approx(ACTION * (np.log(2 * np.pi * np.e) / 2 + np.log(wide)), rel=1e-5)
    assert found["kl"] == pytest.approx((ratios - 1 - np.log(ratios)).mean(), rel=1e-3)
    assert found["clipped"] == pytest.approx((np.abs(ratios - 1) > 0.1).mean())


def test_rewards_are_divided_by_the_spread_of_the_discounted_return() -> None:
    rng = np.random.default_rng(0)
    scale, returns, seen = RewardScale(2, 0.9, torch.device("cpu")), np.zeros(2), []
    for _ in range(3):
        rewards, ended = rng.standard_normal((5, 2)).astype("f4"), (rng.random((5, 2)) < 0.3).astype("f4")
        for reward, end in zip(rewards, ended, strict=True):
            returns = 0.9 * returns + reward
            seen += returns.tolist()
            returns = returns * (1 - end)
        got = scale.scale(torch.from_numpy(rewards), torch.from_numpy(ended))
        np.testing.assert_allclose(got, rewards / np.std(seen), rtol=1e-4)


def test_late_rewards_of_interleaved_environments_meet_what_was_acted() -> None:
    """Ticks of 2 control steps, episodes of 3, 5 and 7, transitions given 4 control steps late, across updates."""
    learner, rng = agent(rollout_steps=6, learning_rate=0.01), np.random.default_rng(0)
    taken: list[Rollout] = []
    take = learner.rollouts.take
    learner.rollouts.take = lambda *given: taken.append(take(*given)) or taken[-1]  # type: ignore[method-assign,func-returns-value]
    chosen: list[list[tuple[np.ndarray, float]]] = [[], [], []]
    waiting: list[tuple[int, Transitions]] = []
    running: list[list[dict[str, Any]]] = [[], [], []]
    for now in range(40):
        at = np.stack([np.full(OBSERVATION, 100 * env + now, np.float32) / 100 for env in range(3)])
        actions = learner.act(at, explore=True)
        for env in range(3):
            *_, (raw, log_prob) = [(row[:-1], row[-1]) for row in learner.rollouts._acted[env]]
            chosen[env].append((raw, log_prob))
            end = (now + 1) % (3 + 2 * env) == 0
            running[env].append({"at": at[env], "action": actions[env], "fell": end and env == 1, "end": end})
            if len(running[env]) == 2 or end:
                rows, running[env] = running[env], []
                waiting.append((now + 4, as_transitions(env, rows)))
        due = [each for when, each in waiting if when <= now]
        waiting = [(when, each) for when, each in waiting if when > now]
        order = rng.permutation(3)
        for each in sorted(due, key=lambda each: order[each.envs[0]]):
            learner.observe(each)
        learner.update(3)
    assert len(taken) >= 4
    for env in range(3):
        seen = torch.cat([rollout.observations[:, env, 0] for rollout in taken]) * 100
        np.testing.assert_allclose(seen, 100 * env + np.arange(len(seen)), atol=1e-3)
        raws, log_probs = zip(*chosen[env][: len(seen)], strict=True)
        np.testing.assert_array_equal(torch.cat([rollout.actions[:, env] for rollout in taken]), np.stack(raws))
        np.testing.assert_array_equal(torch.cat([rollout.log_probs[:, env] for rollout in taken]), log_probs)
        ended = torch.cat([rollout.ended[:, env] for rollout in taken])
        assert np.flatnonzero(ended).tolist() == [t for t in range(len(seen)) if (t + 1) % (3 + 2 * env) == 0]
        terminated = torch.cat([rollout.terminated[:, env] for rollout in taken])
        assert torch.equal(terminated, ended if env == 1 else torch.zeros_like(ended))


def as_transitions(env: int, rows: list[dict[str, Any]]) -> Transitions:
    at = np.stack([row["at"] for row in rows])
    fell = np.array([row["fell"] for row in rows])
    return Transitions(
        observations=at,
        actions=np.stack([row["action"] for row in rows]),
        rewards=np.ones(len(rows), np.float32),
        next_observations=at + np.float32(0.01),
        terminations=fell,
        truncations=np.array([row["end"] for row in rows]) & ~fell,
        envs=np.full(len(rows), env, np.int32),
    )


def test_transitions_of_an_earlier_policy_keep_its_log_probabilities() -> None:
    learner = agent(rollout_steps=2, learning_rate=0.05)
    first, second, third, fourth = (acted(learner, i) for i in range(4))  # all by the first policy
    learner.observe(first)
    learner.observe(second)
    assert learner.update(6)
    learner.observe(third)
    learner.observe(fourth)
    samples = learner._samples(learner.rollouts.take(2, learner.device))
    with torch.no_grad():
        now = learner.policy(samples.observations).log_prob(samples.actions)
    assert (now - samples.log_probs).abs().min() > 1e-4


def test_refuses_transitions_that_it_did_not_act() -> None:
    learner = agent()
    with pytest.raises(RunError, match="environment 1 that it did not act"):
        step(learner, 0, envs=np.array([0, 1, 1], np.int32))
    with pytest.raises(RunError, match="environment 0 that it did not act"):
        step(agent(), 0, actions=np.full((3, ACTION), 0.5, np.float32))
    with pytest.raises(RunError, match="without saying which"):
        step(agent(), 0, envs=None)
    assert step(agent(spec(num_envs=1)), 0, envs=None) == {}


def test_resumes_bit_for_bit_in_the_middle_of_a_rollout(tmp_path: Path) -> None:
    unbroken, resumed = agent(rollout_steps=4), agent(spec(seed=9), rollout_steps=4)
    for i in range(6):
        step(unbroken, i)
    unknown = acted(unbroken, 6)  # acted, but the reward is not known yet
    assert len(unbroken.rollouts._known[0]) == 2
    unbroken.save(tmp_path)
    resumed.load(tmp_path)
    unbroken.observe(unknown)
    resumed.observe(unknown)
    for i in range(7, 16):
        assert step(unbroken, i) == step(resumed, i)
    assert all(map(torch.equal, weights(unbroken), weights(resumed)))
    assert unbroken.policy_optimizer.learning_rate == resumed.policy_optimizer.learning_rate != 3e-4


def test_acts_with_another_number_of_environments_as_an_evaluation_does(tmp_path: Path) -> None:
    learner, evaluated = agent(), agent(spec(num_envs=5))
    for i in range(5):
        step(learner, i)
    learner.save(tmp_path)
    evaluated.load(tmp_path)
    observations = np.random.default_rng(0).standard_normal((5, OBSERVATION), np.float32)
    np.testing.assert_array_equal(evaluated.act(observations, False), learner.act(observations, False))


@pytest.mark.parametrize("changes", [{"hidden": (8,)}, {"hidden": (16, 8)}])
def test_refuses_another_agents_folder(tmp_path: Path, changes: dict[str, Any]) -> None:
    agent().save(tmp_path)
    with pytest.raises(RunError):
        agent(**changes).load(tmp_path)


@pytest.mark.parametrize("normalized", [True, False])
def test_learns_a_one_step_task(normalized: bool) -> None:
    learner = agent(
        spec(num_envs=10),
        rollout_steps=10,
        epochs=5,
        batch_size=25,
        learning_rate=3e-3,
        normalize_observations=normalized,
        normalize_rewards=normalized,
    )
    zeros, ends, envs = np.zeros((10, OBSERVATION), np.float32), np.ones(10, np.bool_), np.arange(10, dtype=np.int32)
    best = np.array([0.5, -0.3])

    def error() -> float:
        return float(np.abs(learner.act(zeros, explore=False) - best).max())

    assert error() > 0.2
    for _ in range(200):
        actions = learner.act(zeros, explore=True)
        rewards = -np.square(actions - best).sum(-1).astype(np.float32)
        learner.observe(Transitions(zeros, actions, rewards, zeros, ends, ~ends, envs))
        learner.update(10)
    assert error() < 0.1


def test_the_policy_stops_at_the_target_divergence_and_its_learning_rate_follows() -> None:
    near, far = agent(target_kl=1e3, epochs=5), agent(target_kl=1e-9, epochs=5)
    for learner, rate in ((near, 3e-4 * 1.5), (far, 3e-4 / 1.5)):
        for i in range(3):
            metrics = step(learner, i)
        assert metrics["learning_rate"] == pytest.approx(rate)
    steps = [int(optimizer.steps) for optimizer in (near.policy_optimizer, far.policy_optimizer, far.critic_optimizer)]
    assert steps[0] == steps[2] == 10 and 1 <= steps[1] < 10


def test_the_standard_deviation_is_learned_only_if_wanted() -> None:
    for learn in (True, False):
        learner = agent(learn_std=learn, entropy_weight=0.1, initial_std=0.2)
        for i in range(6):
            metrics = step(learner, i)
        assert (metrics["std"] > 0.2001) == learn


def test_divergence_is_an_error_that_names_the_loss() -> None:
    learner = agent(rollout_steps=1)
    with pytest.raises(NumericalError, match="critic_loss nan"):
        step(learner, 0, rewards=np.full(3, np.nan, np.float32))


def test_a_short_run_learns_ten_times_and_a_long_one_from_2048_transitions() -> None:
    assert default_rollout_steps(spec(total_steps=160, num_envs=2)) == 8
    assert default_rollout_steps(spec(total_steps=100_000, num_envs=2)) == 1024
    assert default_rollout_steps(spec(total_steps=5, num_envs=2)) == 1
