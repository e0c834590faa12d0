"""BRO: its losses against an independent transcription, its order, its resets, its exactness, and that it learns."""

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
from nil_agent_bro.networks import Actor, Critics, OptimisticActor, Weights, divergence
from nil_core.api import AgentSpec, NumericalError, RunError, Transitions
from nil_core.learning import Batch, ReplayLearner, SquashedGaussian
from nil_core.testing import check_agent, live, random_transitions

OBSERVATION, ACTION = 5, 3
SMALL = {
    "critic_width": 16,
    "actor_width": 12,
    "quantiles": 7,
    "batch": 8,
    "replay_ratio": 1.0,
    "warmup": 0,
    "capacity": 500,
    "threads": 1,
}


def setting(**changes: Any) -> AgentSpec:
    sizes = {"observation_size": OBSERVATION, "action_size": ACTION, "num_envs": 3, "horizon": 10}
    return AgentSpec(**{**sizes, "total_steps": 1000, "seed": 3, **changes})


def agent(seed: int = 3, **options: Any) -> BiggerRegularizedOptimistic:
    return BiggerRegularizedOptimistic(BroOptions(**{**SMALL, **options}), setting(seed=seed))


def transitions(count: int, seed: int = 0) -> Transitions:
    return random_transitions(count, OBSERVATION, ACTION, seed)


def state(learner: BiggerRegularizedOptimistic) -> dict[str, torch.Tensor]:
    parts = {name: part for name, part in learner.parts().items() if isinstance(part, nn.Module)}
    return {f"{name}.{key}": value.clone() for name, part in parts.items() for key, value in part.state_dict().items()}


# --- An independent transcription in numpy, float64, from the published equations.


def normalized(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6) * scale + shift


def bro_net(p: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    """``p``: of the stem, then of each layer of each block: weight (I, O), bias, scale and shift."""
    layers = [p[i : i + 4] for i in range(0, len(p), 4)]

    def layer(x: np.ndarray) -> np.ndarray:
        w, b, scale, shift = layers.pop(0)
        return normalized(x @ w + b, scale, shift)

    x = np.maximum(layer(x), 0)
    while layers:
        x = x + layer(np.maximum(layer(x), 0))
    return x


def arrays(module: nn.Module) -> list[np.ndarray]:
    """Parameters, weights of linear layers as (I, O)."""
    return [p.detach().double().numpy().T for p in module.parameters()]


def numpy_policy(learner: BiggerRegularizedOptimistic, observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    *body, mean_w, mean_b, spread_w, spread_b = arrays(learner.actor)
    x = bro_net(body, observations)
    return x @ mean_w + mean_b, -10 + 6 * (1 + np.tanh(x @ spread_w + spread_b))


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
    """An agent that lived a little, a batch, and the batch in double precision."""
    learner = agent(learning_rate=1e-3, **options)
    live(learner, 25)
    batch = learner.replay.sample(1, 64, learner.generator)[0]
    names = ("observations", "actions", "next_observations", "rewards", "continuations")
    return learner, batch, {name: getattr(batch, name).double().numpy() for name in names}


def moved(learner: BiggerRegularizedOptimistic, before: dict[str, torch.Tensor]) -> set[str]:
    """Names of the parts that changed."""
    after = state(learner)
    return {key.partition(".")[0] for key, value in before.items() if not torch.equal(value, after[key])}


def descent(learner: BiggerRegularizedOptimistic, optimizer: str) -> list[torch.Tensor]:
    """Catches the gradient that a step hands to one of the optimizers, which then does nothing."""
    caught: list[torch.Tensor] = []
    one = getattr(learner, optimizer)
    one.descend = lambda loss: caught.extend(torch.autograd.grad(loss, one._parameters_of))
    return caught


@pytest.mark.parametrize("pessimism", [0.0, 0.7])
def test_critics_descend_the_published_loss(pessimism: float) -> None:
    learner, batch, x = experienced(pessimism=pessimism)
    assert set(x["continuations"]) == {0.0, 1.0}
    noise = learner.noise(64, ACTION)
    temperature = learner.weights.temperature().item()
    actions, log_prob = numpy_sample(*numpy_policy(learner, x["next_observations"]), noise.double().numpy())
    one, other = numpy_quantiles(learner.targets, x["next_observations"], actions)
    value = (one + other) / 2 - pessimism * np.abs(one - other) / 2 - temperature * log_prob[:, None]
    goal = x["rewards"][:, None] + 0.99 * x["continuations"][:, None] * value
    quantiles = numpy_quantiles(learner.critics, x["observations"], x["actions"])
    expected = sum(numpy_quantile_huber(q, goal) for q in quantiles)
    before = state(learner)
    loss, mean = learner._step_critics(batch, noise)
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    assert mean.item() == pytest.approx(quantiles.mean(), rel=1e-4, abs=1e-5)
    assert moved(learner, before) == {"critics", "critic_optimizer"}


@pytest.mark.parametrize("pessimism", [0.0, 0.7])
def test_actor_and_temperature_descend_the_published_losses(pessimism: float) -> None:
    learner, batch, x = experienced(pessimism=pessimism)
    noise = learner.noise(64, ACTION)
    temperature = learner.weights.temperature().item()
    actions, log_prob = numpy_sample(*numpy_policy(learner, x["observations"]), noise.double().numpy())
    one, other = numpy_quantiles(learner.critics, x["observations"], actions)
    value = ((one + other) / 2 - pessimism * np.abs(one - other) / 2).mean(-1)
    before = state(learner)
    slope = descent(learner, "temperature_optimizer")
    loss, entropy, held = learner._step_actor(batch, noise)
    assert loss.item() == pytest.approx(np.mean(temperature * log_prob - value), rel=1e-4, abs=1e-4)
    assert entropy.item() == pytest.approx(-log_prob.mean(), rel=1e-4)
    assert held.item() == pytest.approx(temperature)
    # d/dp of exp(p) (entropy - target), target -|A| / 2
    assert slope[0].item() == pytest.approx(temperature * (-log_prob.mean() + ACTION / 2), rel=1e-3)
    assert moved(learner, before) == {"actor", "actor_optimizer"}


def test_optimist_and_controllers_descend_the_published_losses() -> None:
    learner, batch, x = experienced(pessimism=0.2)
    noise = learner.noise(64, ACTION)
    with torch.no_grad():
        learner.weights.optimism_raw.fill_(0.3)
        learner.weights.kl_raw.fill_(-0.1)
        learner.optimist.shift.weight.mul_(20)
    optimism, kl_weight = np.exp(-10 + 8.75 * (1 + np.tanh(0.3))), np.exp(-10 + 8.75 * (1 + np.tanh(-0.1)))
    mean, log_std = numpy_policy(learner, x["observations"])
    *body, shift = arrays(learner.optimist)
    optimist_mean = mean + bro_net(body, np.concatenate((x["observations"], mean), -1)) @ shift
    std, optimist_std = np.exp(log_std), 0.75 * np.exp(log_std)
    s = optimist_std / 0.75
    kl = (np.log(std / s) + (s**2 + (optimist_mean - mean) ** 2) / (2 * std**2) - 0.5).sum(-1)
    actions = np.tanh(optimist_mean + optimist_std * noise.double().numpy())
    one, other = numpy_quantiles(learner.critics, x["observations"], actions)
    values = ((one + other) / 2 + optimism * np.abs(one - other) / 2).mean(-1)
    expected = np.mean(-values + kl_weight * kl)
    losses: list[float] = []
    descend = learner.optimist_optimizer.descend
    learner.optimist_optimizer.descend = lambda loss: [losses.append(loss.item()), descend(loss)]
    before = state(learner)
    slopes = descent(learner, "controller_optimizer")
    per_entry, o, k = learner._step_optimist(batch, noise)
    assert losses == [pytest.approx(expected, rel=1e-4)]
    assert per_entry.item() == pytest.approx(kl.mean() / ACTION, rel=1e-4)
    assert (o.item(), k.item()) == (pytest.approx(optimism, rel=1e-5), pytest.approx(kl_weight, rel=1e-5))
    # d/dp of (o - pessimism) (KL / |A| - 0.05) and of -k (KL / |A| - 0.05)
    excess = kl.mean() / ACTION - 0.05
    assert abs(excess) > 1e-3
    assert slopes[0].item() == pytest.approx(optimism * 8.75 * (1 - np.tanh(0.3) ** 2) * excess, rel=1e-3)
    assert slopes[1].item() == pytest.approx(-kl_weight * 8.75 * (1 - np.tanh(-0.1) ** 2) * excess, rel=1e-3)
    assert moved(learner, before) == {"optimist", "optimist_optimizer"}


def test_divergence_is_that_of_gaussians() -> None:
    policy = SquashedGaussian(torch.randn(6, ACTION), torch.randn(6, ACTION))
    optimist = SquashedGaussian(policy.mean + torch.randn(6, ACTION), policy.log_std + math.log(0.75))
    widened = torch.distributions.Normal(optimist.mean, optimist.log_std.exp() / 0.75)
    expected = torch.distributions.kl_divergence(widened, torch.distributions.Normal(policy.mean, policy.log_std.exp()))
    torch.testing.assert_close(divergence(optimist, policy), expected.sum(-1))


def test_controllers_hold_the_divergence() -> None:
    """Too close: more optimism, less weight on the divergence; too far: the reverse."""
    for scale, direction in ((0.0, 1), (1e3, -1)):
        learner = agent()
        learner.observe(transitions(64))
        batch = learner.replay.sample(1, 64, learner.generator)[0]
        with torch.no_grad():
            learner.optimist.shift.weight.mul_(scale)
        optimism, kl_weight = learner.weights.optimism().item(), learner.weights.kl().item()
        learner._step_optimist(batch, learner.noise(64, ACTION))
        assert (learner.weights.optimism().item() - optimism) * direction > 0
        assert (learner.weights.kl().item() - kl_weight) * direction < 0


def test_weights_start_as_published() -> None:
    weights = Weights(1.0)
    assert weights.optimism_raw.item() == pytest.approx(0.14384, abs=1e-5)
    assert weights.kl_raw.item() == pytest.approx(-0.015578, abs=1e-6)
    values = weights.temperature(), weights.optimism(), weights.kl()
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
                gain = 0.01 if name.startswith("shift") else 1.0 if name.startswith("spread") else math.sqrt(2)
                singular = torch.linalg.svdvals(weight.detach())
                torch.testing.assert_close(singular, torch.full_like(singular, gain), rtol=1e-4, atol=1e-5)
    first = critics.layers[0][0].weight
    assert not torch.equal(first[0], first[1])
    assert {m.eps for m in critics.modules() if hasattr(m, "eps")} == {1e-6}


def test_starts_calmly_when_asked_and_again_after_a_reset() -> None:
    learner = agent(initial_std=0.37, optimism=False, resets=(60,))
    rows = transitions(2000)
    observations = rows.observations

    def check_calm() -> None:
        actions = learner.act(observations, explore=True)
        assert np.abs(learner.act(observations, explore=False)).max() < 0.05
        assert np.arctanh(actions).std() == pytest.approx(0.37, rel=0.05)
        values = learner.critics(torch.from_numpy(np.concatenate((observations, actions), -1)))
        assert values.abs().max() < 0.2

    check_calm()
    learner.observe(transitions(40))
    learner.update(40)
    with pytest.raises(AssertionError):
        check_calm()
    learner.observe(transitions(20))
    learner.update(0)
    check_calm()
    assert np.abs(agent().act(observations, explore=False)).max() > 0.5, "as published, it does not"


def test_optimist_begins_beside_the_actor_and_narrower() -> None:
    learner = agent()
    observations = torch.randn(200, OBSERVATION)
    policy = learner.actor(observations)
    optimist = learner.optimist(observations, policy)
    assert (optimist.mean - policy.mean).abs().max() < 0.1
    torch.testing.assert_close(optimist.log_std.exp(), 0.75 * policy.log_std.exp())
    torch.testing.assert_close(learner.policy(observations, explore=False), torch.tanh(policy.mean))


def test_explores_with_the_optimist_unless_told_not_to() -> None:
    zeros = np.zeros((4000, OBSERVATION), np.float32)
    for optimism, expected in ((True, 0.75), (False, 1.0)):
        learner = agent(optimism=optimism)
        with torch.no_grad():
            learner.actor.spread.bias.fill_(math.atanh((math.log(0.2) + 10) / 6 - 1))
            learner.actor.spread.weight.zero_()
        spread = np.arctanh(learner.act(zeros, explore=True)).std(0)
        np.testing.assert_allclose(spread, 0.2 * expected, rtol=0.05)


def test_without_optimism_the_optimist_rests() -> None:
    learner = agent(optimism=False)
    learner.observe(transitions(50))
    before = state(learner)
    assert set(learner.update(1)) == {"critic_loss", "q_mean", "actor_loss", "entropy", "temperature"}
    assert not moved(learner, before) & {"optimist", "optimist_optimizer", "controller_optimizer"}


def test_targets_follow_the_critics_before_the_actor_moves() -> None:
    learner = agent(target_rate=0.25)
    learner.observe(transitions(50))
    before = [target.clone() for target in learner.targets.parameters()]
    order: list[str] = []
    for name in ("critic", "actor", "temperature", "optimist", "controller"):
        optimizer = getattr(learner, f"{name}_optimizer")

        def descend(loss: torch.Tensor, name: str = name, inner: Any = optimizer.descend) -> None:
            targets = [target.clone() for target in learner.targets.parameters()]
            followed = not all(map(torch.equal, targets, before))
            assert followed == (name != "critic")
            order.append(name)
            inner(loss)

        optimizer.descend = descend
    learner.update(1)
    assert order == ["critic", "actor", "temperature", "optimist", "controller"]
    for old, new, critic in zip(before, learner.targets.parameters(), learner.critics.parameters(), strict=True):
        torch.testing.assert_close(new, 0.75 * old + 0.25 * critic.detach())
        assert not new.requires_grad


def test_every_parameter_of_the_three_networks_decays_and_no_scalar() -> None:
    """Beside an agent without decay, after one step, each weight is smaller by rate x decay of what it was."""
    with_decay, without = agent(weight_decay=5.0), agent(weight_decay=0.0)
    before = state(without)
    for learner in (with_decay, without):
        learner.observe(transitions(50))
        learner.update(1)
    first, second = state(with_decay), state(without)
    # The critics step first; what steps after them sees other critics, and so takes other steps.
    for key in (key for key in before if key.startswith("critics.")):
        torch.testing.assert_close(second[key] - first[key], 3e-4 * 5 * before[key], rtol=1e-3, atol=1e-6)
    for part, decayed in (("critic", 5), ("actor", 5), ("optimist", 5), ("temperature", 0), ("controller", 0)):
        assert getattr(with_decay, f"{part}_optimizer").decay == decayed
    for part, decay_of_mean in (("critic", 0.9), ("temperature", 0.5), ("controller", 0.5)):
        assert getattr(without, f"{part}_optimizer").mean_decay == decay_of_mean
    assert without.controller_optimizer.learning_rate == 3e-5


def test_what_follows_a_termination_does_not_matter_and_after_a_time_limit_does() -> None:
    experiment = transitions(50)

    def after_update(terminated: bool, shift: float) -> list[torch.Tensor]:
        learner = agent()
        ends = np.full(50, terminated)
        beyond = experiment.next_observations + np.float32(shift)
        learner.observe(
            Transitions(**{**vars(experiment), "terminations": ends, "truncations": ~ends, "next_observations": beyond})
        )
        learner.update(1)
        return [parameter.clone() for parameter in learner.critics.parameters()]

    assert all(map(torch.equal, after_update(True, 0), after_update(True, 1)))
    assert not all(map(torch.equal, after_update(False, 0), after_update(False, 1)))


# --- Resets.


@given(ratio=st.floats(0.1, 20), steps=st.integers(1, 3_000_000))
def test_published_schedule(ratio: float, steps: int) -> None:
    options = BroOptions(replay_ratio=ratio)
    assert options.schedule == (RESETS if ratio > 2 else (15_001,))


@pytest.mark.parametrize("fresh", [False, True])
def test_reset_begins_anew_but_for_the_memory(fresh: bool) -> None:
    learner = agent(resets=(31, 60), fresh_resets=fresh)
    first = state(learner)
    live(learner, 10)
    assert (learner.seen, learner.resets) == (30, 0)
    for seen, resets in ((33, 1), (36, 1), (60, 2)):
        starts: list[dict[str, torch.Tensor]] = []

        def learn(count: int, starts: list[dict[str, torch.Tensor]] = starts) -> Iterator[torch.Tensor]:
            starts.append(state(learner))
            return ReplayLearner._learn(learner, count)

        learner._learn = learn  # type: ignore[method-assign]
        live(learner, (seen - learner.seen) // 3)
        assert (learner.seen, learner.resets, len(learner.replay)) == (seen, resets, seen)
        began = {key: torch.equal(value, first[key]) for key, value in starts[-1].items()}
        if seen == 36:
            assert not began["critics.layers.0.0.weight"]
            continue
        weights = [key for key in began if key.startswith(("actor.", "critics.", "targets.")) and "0.weight" in key]
        assert all(began[key] for key in weights) == (not fresh)
        rest = [key for key in began if "optimizer" in key or key.startswith("weights.")]
        assert rest and all(began[key] for key in rest)
    assert learner.critic_optimizer.steps == 3


def test_several_resets_due_at_once_are_one() -> None:
    learner = agent(resets=(5, 10, 400))
    learner.observe(transitions(50))
    learner.update(1)
    assert learner.resets == 2


def test_a_resumed_agent_keeps_its_place_in_the_schedule(tmp_path: Path) -> None:
    unbroken, resumed = agent(resets=(20, 100), fresh_resets=True), agent(seed=9, resets=(20, 100), fresh_resets=True)
    live(unbroken, 20)
    unbroken.save(tmp_path)
    resumed.load(tmp_path)
    assert (resumed.seen, resumed.resets) == (60, 1)
    acted = live(unbroken, 12)
    np.testing.assert_array_equal(acted, live(resumed, 12))
    assert unbroken.resets == 1
    for key, value in state(unbroken).items():
        assert torch.equal(value, state(resumed)[key]), key


def test_a_reset_after_resuming_is_the_same(tmp_path: Path) -> None:
    unbroken, resumed = agent(resets=(40,)), agent(resets=(40,))
    live(unbroken, 10)
    unbroken.save(tmp_path)
    resumed.load(tmp_path)
    np.testing.assert_array_equal(live(unbroken, 10), live(resumed, 10))
    assert unbroken.resets == resumed.resets == 1


# --- The contract, and that it learns.


def test_keeps_the_contract() -> None:
    small = {**SMALL, "warmup": 8, "resets": (16, 60)}
    check_agent(lambda experiment: BiggerRegularizedOptimistic(BroOptions(**small), experiment))
    check_agent(lambda experiment: BiggerRegularizedOptimistic(BroFastOptions(**small, optimism=False), experiment))


@pytest.mark.parametrize("changes", [{"critic_width": 8}, {"actor_blocks": 2}, {"quantiles": 3}, {"capacity": 400}])
def test_refuses_another_agents_folder(tmp_path: Path, changes: dict[str, Any]) -> None:
    saved = agent()
    live(saved, 4)
    saved.save(tmp_path)
    with pytest.raises(RunError):
        agent(**changes).load(tmp_path)


def test_learns_a_one_step_task() -> None:
    learner = agent(batch=32, learning_rate=3e-3, replay_ratio=1, actor_width=32, critic_width=32, warmup=200)
    rng, zeros = np.random.default_rng(0), np.zeros((20, OBSERVATION), np.float32)
    best = np.array([0.5, -0.3, 0.1])

    def shortfall() -> float:
        return float(np.abs(learner.act(zeros[:1], explore=False) - best).max())

    for _ in range(30):
        actions = learner.act(zeros, explore=True)
        rewards = 5 - 5 * np.square(actions - best).sum(-1) + 0.1 * rng.standard_normal(20)
        ends = np.ones(20, np.bool_)
        learner.observe(Transitions(zeros, actions, rewards.astype(np.float32), zeros, ends, ~ends))
        learner.update(20)
    assert shortfall() < 0.15


def test_divergence_of_learning_is_an_error_that_names_the_loss() -> None:
    learner = agent()
    experiment = transitions(50)
    learner.observe(Transitions(**{**vars(experiment), "rewards": np.full(50, np.nan, np.float32)}))
    with pytest.raises(NumericalError, match="critic_loss nan"):
        learner.update(1)


def test_discount_of_the_horizon() -> None:
    def discount(horizon: int) -> float:
        options = BroOptions(**SMALL, discount="horizon")
        return BiggerRegularizedOptimistic(options, setting(horizon=horizon)).discount

    assert [discount(horizon) for horizon in (62, 250, 400, 5000)] == pytest.approx([0.95, 0.98, 0.9875, 0.995])


@pytest.mark.parametrize(
    "wrong", [{"discount": 1.0}, {"discount": "long"}, {"capacity": 100}, {"resets": (5, 5)}, {"resets": (9, 5)}]
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BroOptions(**wrong)
