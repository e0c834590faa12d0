"""BRO: losses against an independent implementation, order of updates, resets, exactness, and a task it learns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from nil_agent_bro import RESETS, BroFastOptions, BroOptions
from nil_agent_bro.bigger_regularized_optimistic import BiggerRegularizedOptimistic
from nil_agent_bro.networks import Actor, Critics, LossWeights, OptimisticActor, kl_divergence
from nil_core.api import AgentSpec, NumericalError, RunError, Transitions
from nil_core.learning import Batch, OffPolicyAgent, SquashedGaussian
from nil_core.testing import check_agent, interact, random_transitions

OBSERVATION, ACTION = 5, 3
SMALL = {
    "critic_width": 16,
    "actor_width": 12,
    "quantiles": 7,
    "batch_size": 8,
    "replay_ratio": 1.0,
    "learning_starts": 0,
    "buffer_size": 500,
    "threads": 1,
}


def spec(**changes: Any) -> AgentSpec:
    sizes = {"observation_size": OBSERVATION, "action_size": ACTION, "num_envs": 3, "horizon": 10}
    return AgentSpec(**{**sizes, "total_steps": 1000, "seed": 3, **changes})


def agent(seed: int = 3, **options: Any) -> BiggerRegularizedOptimistic:
    return BiggerRegularizedOptimistic(BroOptions(**{**SMALL, **options}), spec(seed=seed))


def transitions(count: int, seed: int = 0) -> Transitions:
    return random_transitions(count, OBSERVATION, ACTION, seed)


def state(learner: BiggerRegularizedOptimistic) -> dict[str, torch.Tensor]:
    parts = {name: part for name, part in learner.parts().items() if isinstance(part, nn.Module)}
    return {f"{name}.{key}": value.clone() for name, part in parts.items() for key, value in part.state_dict().items()}


# --- An independent implementation in numpy, float64, of the published equations.


def layer_norm(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6) * scale + shift


def bro_net(p: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    """``p``: of the stem, then of each layer of each block: weight (I, O), bias, scale and shift."""
    layers = [p[i : i + 4] for i in range(0, len(p), 4)]

    def layer(x: np.ndarray) -> np.ndarray:
        w, b, scale, shift = layers.pop(0)
        return layer_norm(x @ w + b, scale, shift)

    x = np.maximum(layer(x), 0)
    while layers:
        x = x + layer(np.maximum(layer(x), 0))
    return x


def arrays(module: nn.Module) -> list[np.ndarray]:
    """Parameters, weights of linear layers as (I, O)."""
    return [p.detach().double().numpy().T for p in module.parameters()]


def numpy_policy(learner: BiggerRegularizedOptimistic, observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    *body, mean_w, mean_b, raw_log_std_w, raw_log_std_b = arrays(learner.actor)
    x = bro_net(body, observations)
    return x @ mean_w + mean_b, -10 + 6 * (1 + np.tanh(x @ raw_log_std_w + raw_log_std_b))


def numpy_sample(mean: np.ndarray, log_std: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    u = mean + np.exp(log_std) * noise
    normal = -0.5 * noise**2 - log_std - 0.5 * np.log(2 * np.pi)
    squashing = np.log(4) - 2 * np.logaddexp(u, -u)  # log(1 - tanh²)
    return np.tanh(u), (normal - squashing).sum(-1)


def numpy_quantiles(critics: nn.Module, observations: np.ndarray, actions: np.ndarray) -> np.ndarray:
    parameters = [p.detach().double().numpy() for p in critics.parameters()]
    x = np.concatenate((observations, actions), -1)
    values = []
    for member in range(2):
        *body, w, b = [p[member] for p in parameters]
        values.append(bro_net(body, x) @ w + b)
    return np.stack(values)


def numpy_quantile_huber(q: np.ndarray, y: np.ndarray) -> float:
    """One critic (B, Q) against targets (B, Q)."""
    total = 0.0
    for i in range(q.shape[1]):
        fraction = (i + 0.5) / q.shape[1]
        errors = y - q[:, i : i + 1]
        huber = np.where(np.abs(errors) <= 1, errors**2 / 2, np.abs(errors) - 0.5)
        total += np.mean(np.abs(fraction - (errors < 0)) * huber)
    return float(total)


def experienced(**options: Any) -> tuple[BiggerRegularizedOptimistic, Batch, dict[str, np.ndarray]]:
    """An agent after some updates, a batch, and the batch in double precision."""
    learner = agent(learning_rate=1e-3, **options)
    interact(learner, 25)
    batch = learner.replay.sample(1, 64, learner.generator)[0]
    names = ("observations", "actions", "next_observations", "rewards", "discounts")
    return learner, batch, {name: getattr(batch, name).double().numpy() for name in names}


def changed(learner: BiggerRegularizedOptimistic, before: dict[str, torch.Tensor]) -> set[str]:
    """Names of the parts that changed."""
    after = state(learner)
    return {key.partition(".")[0] for key, value in before.items() if not torch.equal(value, after[key])}


def capture_gradient(learner: BiggerRegularizedOptimistic, optimizer: str) -> list[torch.Tensor]:
    """Capture the gradient that a step passes to one of the optimizers, which then does nothing."""
    gradients: list[torch.Tensor] = []
    target = getattr(learner, optimizer)
    target.minimize = lambda loss: gradients.extend(torch.autograd.grad(loss, target.optimized))
    return gradients


@pytest.mark.parametrize("pessimism", [0.0, 0.7])
def test_critics_minimize_the_published_loss(pessimism: float) -> None:
    learner, batch, x = experienced(pessimism=pessimism)
    assert set(x["discounts"]) == {0.0, np.float32(0.99)}
    noise = learner.noise(64, ACTION)
    temperature = learner.weights.temperature().item()
    actions, log_prob = numpy_sample(*numpy_policy(learner, x["next_observations"]), noise.double().numpy())
    one, other = numpy_quantiles(learner.targets, x["next_observations"], actions)
    value = (one + other) / 2 - pessimism * np.abs(one - other) / 2 - temperature * log_prob[:, None]
    td_target = x["rewards"][:, None] + x["discounts"][:, None] * value
    quantiles = numpy_quantiles(learner.critics, x["observations"], x["actions"])
    expected = sum(numpy_quantile_huber(q, td_target) for q in quantiles)
    before = state(learner)
    loss, mean = learner._step_critics(batch, noise)
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    assert mean.item() == pytest.approx(quantiles.mean(), rel=1e-4, abs=1e-5)
    assert changed(learner, before) == {"critics", "critic_optimizer"}


@pytest.mark.parametrize("pessimism", [0.0, 0.7])
def test_actor_and_temperature_minimize_the_published_losses(pessimism: float) -> None:
    learner, batch, x = experienced(pessimism=pessimism)
    noise = learner.noise(64, ACTION)
    temperature = learner.weights.temperature().item()
    actions, log_prob = numpy_sample(*numpy_policy(learner, x["observations"]), noise.double().numpy())
    one, other = numpy_quantiles(learner.critics, x["observations"], actions)
    value = ((one + other) / 2 - pessimism * np.abs(one - other) / 2).mean(-1)
    before = state(learner)
    gradient = capture_gradient(learner, "temperature_optimizer")
    loss, entropy, reported = learner._step_actor(batch, noise)
    assert loss.item() == pytest.approx(np.mean(temperature * log_prob - value), rel=1e-4, abs=1e-4)
    assert entropy.item() == pytest.approx(-log_prob.mean(), rel=1e-4)
    assert reported.item() == pytest.approx(temperature)
    # d/dp of exp(p) (entropy - target), target -|A| / 2
    assert gradient[0].item() == pytest.approx(temperature * (-log_prob.mean() + ACTION / 2), rel=1e-3)
    assert changed(learner, before) == {"actor", "actor_optimizer"}


def test_optimistic_actor_and_controllers_minimize_the_published_losses() -> None:
    learner, batch, x = experienced(pessimism=0.2)
    noise = learner.noise(64, ACTION)
    with torch.no_grad():
        learner.weights.raw_optimism.fill_(0.3)
        learner.weights.raw_kl_weight.fill_(-0.1)
        learner.optimistic_actor.mean_shift.weight.mul_(20)
    optimism, kl_weight = np.exp(-10 + 8.75 * (1 + np.tanh(0.3))), np.exp(-10 + 8.75 * (1 + np.tanh(-0.1)))
    mean, log_std = numpy_policy(learner, x["observations"])
    *body, mean_shift = arrays(learner.optimistic_actor)
    optimistic_mean = mean + bro_net(body, np.concatenate((x["observations"], mean), -1)) @ mean_shift
    std, optimistic_std = np.exp(log_std), 0.75 * np.exp(log_std)
    s = optimistic_std / 0.75
    kl = (np.log(std / s) + (s**2 + (optimistic_mean - mean) ** 2) / (2 * std**2) - 0.5).sum(-1)
    actions = np.tanh(optimistic_mean + optimistic_std * noise.double().numpy())
    one, other = numpy_quantiles(learner.critics, x["observations"], actions)
    values = ((one + other) / 2 + optimism * np.abs(one - other) / 2).mean(-1)
    expected = np.mean(-values + kl_weight * kl)
    losses: list[float] = []
    minimize = learner.optimistic_optimizer.minimize
    learner.optimistic_optimizer.minimize = lambda loss: [losses.append(loss.item()), minimize(loss)]
    before = state(learner)
    gradients = capture_gradient(learner, "controller_optimizer")
    per_entry, o, k = learner._step_optimistic_actor(batch, noise)
    assert losses == [pytest.approx(expected, rel=1e-4)]
    assert per_entry.item() == pytest.approx(kl.mean() / ACTION, rel=1e-4)
    assert (o.item(), k.item()) == (pytest.approx(optimism, rel=1e-5), pytest.approx(kl_weight, rel=1e-5))
    # d/dp of (o - pessimism) (KL / |A| - 0.05) and of -k (KL / |A| - 0.05)
    excess = kl.mean() / ACTION - 0.05
    assert abs(excess) > 1e-3
    assert gradients[0].item() == pytest.approx(optimism * 8.75 * (1 - np.tanh(0.3) ** 2) * excess, rel=1e-3)
    assert gradients[1].item() == pytest.approx(-kl_weight * 8.75 * (1 - np.tanh(-0.1) ** 2) * excess, rel=1e-3)
    assert changed(learner, before) == {"optimistic_actor", "optimistic_optimizer"}


def test_kl_divergence_is_that_of_gaussians() -> None:
    policy = SquashedGaussian(torch.randn(6, ACTION), torch.randn(6, ACTION))
    optimistic = SquashedGaussian(policy.mean + torch.randn(6, ACTION), policy.log_std + math.log(0.75))
    widened = torch.distributions.Normal(optimistic.mean, optimistic.log_std.exp() / 0.75)
    expected = torch.distributions.kl_divergence(widened, torch.distributions.Normal(policy.mean, policy.log_std.exp()))
    torch.testing.assert_close(kl_divergence(optimistic, policy), expected.sum(-1))


def test_controllers_regulate_the_divergence() -> None:
    """Below the target: more optimism, smaller KL weight; above it: the reverse."""
    for scale, direction in ((0.0, 1), (1e3, -1)):
        learner = agent()
        learner.observe(transitions(64))
        batch = learner.replay.sample(1, 64, learner.generator)[0]
        with torch.no_grad():
            learner.optimistic_actor.mean_shift.weight.mul_(scale)
        optimism, kl_weight = learner.weights.optimism().item(), learner.weights.kl_weight().item()
        learner._step_optimistic_actor(batch, learner.noise(64, ACTION))
        assert (learner.weights.optimism().item() - optimism) * direction > 0
        assert (learner.weights.kl_weight().item() - kl_weight) * direction < 0


def test_weights_start_as_published() -> None:
    weights = LossWeights(1.0)
    assert weights.raw_optimism.item() == pytest.approx(0.14384, abs=1e-5)
    assert weights.raw_kl_weight.item() == pytest.approx(-0.015578, abs=1e-6)
    values = weights.temperature(), weights.optimism(), weights.kl_weight()
    assert [value.item() for value in values] == pytest.approx([1.0, 1.0, 0.25], rel=1e-5)


def test_networks_are_of_the_published_size_and_start() -> None:
    options = BroOptions()
    critics = Critics(70, 12, options.critic_width, options.critic_blocks, options.quantiles)
    assert sum(p.numel() for p in critics.parameters()) == 2 * (
        82 * 512 + 4 * 512 * 512 + 5 * 3 * 512 + 512 * 100 + 100
    )
    torch.manual_seed(0)
    for module in (critics, Actor(70, 12, 256, 1), OptimisticActor(70, 12, 256, 1)):
        for name, p in module.named_parameters():
            if name.endswith("bias"):
                assert not p.any()
                continue
            for weight in p if p.dim() == 3 and p.shape[1] > 1 else [p]:
                if weight.dim() != 2 or 1 in weight.shape:
                    assert (weight == 1).all()  # of a layer normalization
                    continue
                gain = (
                    0.01 if name.startswith("mean_shift") else 1.0 if name.startswith("raw_log_std") else math.sqrt(2)
                )
                singular = torch.linalg.svdvals(weight.detach())
                torch.testing.assert_close(singular, torch.full_like(singular, gain), rtol=1e-4, atol=1e-5)
    first = critics.layers[0][0].weight
    assert not torch.equal(first[0], first[1])
    assert {m.eps for m in critics.modules() if hasattr(m, "eps")} == {1e-6}


def test_near_zero_init_at_the_start_and_after_a_reset() -> None:
    learner = agent(initial_std=0.37, optimism=False, resets=(60,))
    observations = transitions(2000).observations

    def check_near_zero() -> None:
        actions = learner.act(observations, explore=True)
        assert np.abs(learner.act(observations, explore=False)).max() < 0.05
        assert np.arctanh(actions).std() == pytest.approx(0.37, rel=0.05)
        values = learner.critics(torch.from_numpy(np.concatenate((observations, actions), -1)))
        assert values.abs().max() < 0.2

    check_near_zero()
    learner.observe(transitions(40))
    learner.update(40)
    with pytest.raises(AssertionError):
        check_near_zero()
    learner.observe(transitions(20))
    learner.update(0)
    check_near_zero()
    assert np.abs(agent().act(observations, explore=False)).max() > 0.5, "as published, it does not"


def test_optimistic_actor_starts_near_the_actor_with_smaller_std() -> None:
    learner = agent()
    observations = torch.randn(200, OBSERVATION)
    policy = learner.actor(observations)
    optimistic = learner.optimistic_actor(observations, policy)
    assert (optimistic.mean - policy.mean).abs().max() < 0.1
    torch.testing.assert_close(optimistic.log_std.exp(), 0.75 * policy.log_std.exp())
    torch.testing.assert_close(learner.policy(observations, explore=False), torch.tanh(policy.mean))


def test_explores_with_the_optimistic_actor_unless_optimism_is_off() -> None:
    zeros = np.zeros((4000, OBSERVATION), np.float32)
    for optimism, expected in ((True, 0.75), (False, 1.0)):
        learner = agent(optimism=optimism)
        with torch.no_grad():
            learner.actor.raw_log_std.bias.fill_(math.atanh((math.log(0.2) + 10) / 6 - 1))
            learner.actor.raw_log_std.weight.zero_()
        std = np.arctanh(learner.act(zeros, explore=True)).std(0)
        np.testing.assert_allclose(std, 0.2 * expected, rtol=0.05)


def test_without_optimism_the_optimistic_actor_does_not_change() -> None:
    learner = agent(optimism=False)
    learner.observe(transitions(50))
    before = state(learner)
    assert set(learner.update(1)) == {"critic_loss", "q_mean", "actor_loss", "entropy", "temperature"}
    assert not changed(learner, before) & {"optimistic_actor", "optimistic_optimizer", "controller_optimizer"}


def test_only_critics_learn_during_their_warm_up_at_the_start_and_after_a_reset() -> None:
    policies = {"actor", "optimistic_actor"}
    learner = agent(critic_warmup=2, replay_ratio=1.0, resets=(100,))
    learner.observe(transitions(50))
    for warm in (False, False, True):
        before = state(learner)
        learner.update(1)
        parts = changed(learner, before)
        assert "critics" in parts
        assert policies <= parts if warm else not policies & parts
    learner.observe(transitions(50))
    learner.update(1)  # resets
    before = state(learner)
    learner.update(1)
    assert not policies & changed(learner, before)


def test_targets_are_updated_between_critics_and_actor() -> None:
    learner = agent(tau=0.25)
    learner.observe(transitions(50))
    before = [target.clone() for target in learner.targets.parameters()]
    order: list[str] = []
    for name in ("critic", "actor", "temperature", "optimistic", "controller"):
        optimizer = getattr(learner, f"{name}_optimizer")

        def minimize(loss: torch.Tensor, name: str = name, inner: Any = optimizer.minimize) -> None:
            targets = [target.clone() for target in learner.targets.parameters()]
            updated = not all(map(torch.equal, targets, before))
            assert updated == (name != "critic")
            order.append(name)
            inner(loss)

        optimizer.minimize = minimize
    learner.update(1)
    assert order == ["critic", "actor", "temperature", "optimistic", "controller"]
    for old, new, critic in zip(before, learner.targets.parameters(), learner.critics.parameters(), strict=True):
        torch.testing.assert_close(new, 0.75 * old + 0.25 * critic.detach())
        assert not new.requires_grad


def test_weight_decay_applies_to_all_networks_and_no_scalar() -> None:
    """Compared with an agent without decay, one step makes each weight smaller by learning rate x decay x weight."""
    with_decay, without = agent(weight_decay=5.0), agent(weight_decay=0.0)
    before = state(without)
    for learner in (with_decay, without):
        learner.observe(transitions(50))
        learner.update(1)
    first, second = state(with_decay), state(without)
    # Only the critics: what is updated after them depends on them, and so differs.
    for key in (key for key in before if key.startswith("critics.")):
        torch.testing.assert_close(second[key] - first[key], 3e-4 * 5 * before[key], rtol=1e-3, atol=1e-6)
    for part, weight_decay in (("critic", 5), ("actor", 5), ("optimistic", 5), ("temperature", 0), ("controller", 0)):
        assert getattr(with_decay, f"{part}_optimizer").weight_decay == weight_decay
    for part, beta1 in (("critic", 0.9), ("temperature", 0.5), ("controller", 0.5)):
        assert getattr(without, f"{part}_optimizer").beta1 == beta1
    assert without.controller_optimizer.learning_rate == 3e-5


def test_next_observations_matter_at_truncations_but_not_at_terminations() -> None:
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


# --- Resets.


@given(ratio=st.floats(0.1, 20), steps=st.integers(1, 3_000_000))
def test_published_schedule(ratio: float, steps: int) -> None:
    options = BroOptions(replay_ratio=ratio)
    assert options.reset_schedule == (RESETS if ratio > 2 else (15_001,))


@pytest.mark.parametrize("fresh", [False, True])
def test_reset_restores_everything_but_the_replay_buffer(fresh: bool) -> None:
    learner = agent(resets=(31, 60), fresh_resets=fresh)
    first = state(learner)
    interact(learner, 10)
    assert (learner.observed_steps, learner.resets_made) == (30, 0)
    for seen, resets in ((33, 1), (36, 1), (60, 2)):
        starts: list[dict[str, torch.Tensor]] = []

        def learn(count: int, starts: list[dict[str, torch.Tensor]] = starts) -> Iterator[torch.Tensor]:
            starts.append(state(learner))
            return OffPolicyAgent._learn(learner, count)

        learner._learn = learn  # type: ignore[method-assign]
        interact(learner, (seen - learner.observed_steps) // 3)
        assert (learner.observed_steps, learner.resets_made, len(learner.replay)) == (seen, resets, seen)
        is_initial = {key: torch.equal(value, first[key]) for key, value in starts[-1].items()}
        if seen == 36:
            assert not is_initial["critics.layers.0.0.weight"]
            continue
        weights = [
            key for key in is_initial if key.startswith(("actor.", "critics.", "targets.")) and "0.weight" in key
        ]
        assert all(is_initial[key] for key in weights) == (not fresh)
        rest = [key for key in is_initial if "optimizer" in key or key.startswith("weights.")]
        assert rest and all(is_initial[key] for key in rest)
    assert learner.critic_optimizer.steps == 3


def test_several_resets_due_at_once_reset_once() -> None:
    learner = agent(resets=(5, 10, 400))
    learner.observe(transitions(50))
    learner.update(1)
    assert learner.resets_made == 2


def test_a_resumed_agent_keeps_its_place_in_the_schedule(tmp_path: Path) -> None:
    uninterrupted, resumed = (
        agent(resets=(20, 100), fresh_resets=True),
        agent(seed=9, resets=(20, 100), fresh_resets=True),
    )
    interact(uninterrupted, 20)
    uninterrupted.save(tmp_path)
    resumed.load(tmp_path)
    assert (resumed.observed_steps, resumed.resets_made) == (60, 1)
    actions = interact(uninterrupted, 12)
    np.testing.assert_array_equal(actions, interact(resumed, 12))
    assert uninterrupted.resets_made == 1
    for key, value in state(uninterrupted).items():
        assert torch.equal(value, state(resumed)[key]), key


def test_a_reset_after_resuming_is_the_same(tmp_path: Path) -> None:
    uninterrupted, resumed = agent(resets=(40,)), agent(resets=(40,))
    interact(uninterrupted, 10)
    uninterrupted.save(tmp_path)
    resumed.load(tmp_path)
    np.testing.assert_array_equal(interact(uninterrupted, 10), interact(resumed, 10))
    assert uninterrupted.resets_made == resumed.resets_made == 1


# --- The contract, and a task it learns.


def test_keeps_the_contract() -> None:
    small = {**SMALL, "learning_starts": 8, "resets": (16, 60)}
    check_agent(lambda spec: BiggerRegularizedOptimistic(BroOptions(**small), spec))
    check_agent(lambda spec: BiggerRegularizedOptimistic(BroFastOptions(**small, optimism=False), spec))


@pytest.mark.parametrize("changes", [{"critic_width": 8}, {"actor_blocks": 2}, {"quantiles": 3}, {"buffer_size": 400}])
def test_refuses_another_agents_folder(tmp_path: Path, changes: dict[str, Any]) -> None:
    saved = agent()
    interact(saved, 4)
    saved.save(tmp_path)
    with pytest.raises(RunError):
        agent(**changes).load(tmp_path)


def test_learns_a_one_step_task() -> None:
    learner = agent(
        batch_size=32, learning_rate=3e-3, replay_ratio=1, actor_width=32, critic_width=32, learning_starts=200
    )
    rng, zeros = np.random.default_rng(0), np.zeros((20, OBSERVATION), np.float32)
    best = np.array([0.5, -0.3, 0.1])

    def error() -> float:
        return float(np.abs(learner.act(zeros[:1], explore=False) - best).max())

    for _ in range(30):
        actions = learner.act(zeros, explore=True)
        rewards = 5 - 5 * np.square(actions - best).sum(-1) + 0.1 * rng.standard_normal(20)
        ends = np.ones(20, np.bool_)
        learner.observe(Transitions(zeros, actions, rewards.astype(np.float32), zeros, ends, ~ends))
        learner.update(20)
    assert error() < 0.15


def test_divergence_of_learning_is_an_error_that_names_the_loss() -> None:
    learner = agent()
    data = transitions(50)
    learner.observe(Transitions(**{**vars(data), "rewards": np.full(50, np.nan, np.float32)}))
    with pytest.raises(NumericalError, match="critic_loss nan"):
        learner.update(1)


def test_gamma_of_the_horizon() -> None:
    def gamma(horizon: int) -> float:
        options = BroOptions(**SMALL, gamma="horizon")
        return BiggerRegularizedOptimistic(options, spec(horizon=horizon)).gamma

    assert [gamma(horizon) for horizon in (62, 250, 400, 5000)] == pytest.approx([0.95, 0.98, 0.9875, 0.995])


@pytest.mark.parametrize(
    "wrong", [{"gamma": 1.0}, {"gamma": "long"}, {"buffer_size": 100}, {"resets": (5, 5)}, {"resets": (9, 5)}]
)
def test_invalid_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BroOptions(**wrong)
