"""BRO: Bigger, Regularized, Optimistic (Nauman et al. 2024, arXiv 2405.16158), following its authors' JAX code."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn

from nil_agent_bro import BroOptions
from nil_agent_bro.networks import Actor, Critics, LossWeights, OptimisticActor, kl_divergence
from nil_core.api import AgentSpec, Transitions
from nil_core.learning import (
    Batch,
    DeterministicActor,
    FlatAdam,
    OffPolicyAgent,
    Part,
    SquashedGaussian,
    flatten,
    frozen,
    quantile_huber,
)

KL_TARGET = 0.05  # nats per action dimension
CONTROLLER_LEARNING_RATE = 3e-5  # of optimism and KL weight
SCALAR_BETA1 = 0.5  # Adam's beta 1 for temperature, optimism and KL weight


class BiggerRegularizedOptimistic(OffPolicyAgent):
    """The agents ``bro`` and ``bro-fast``; see :class:`nil_core.api.Agent` for their methods."""

    name = "bro"
    metrics: tuple[str, ...] = ("critic_loss", "q_mean", "actor_loss", "entropy", "temperature")
    noise_draws = 3
    options: BroOptions

    def __init__(self, options: BroOptions, spec: AgentSpec) -> None:
        super().__init__(options, spec, _gamma(options, spec))
        if options.optimism:
            self.metrics = (*self.metrics, "kl", "optimism", "kl_weight")
        self.target_entropy = options.target_entropy * spec.action_size
        self.seed = spec.seed
        self.observed_steps = 0  # environment steps
        self.resets_made = 0
        self._initialize()

    def _initialize(self) -> None:
        """Create networks and optimizers.

        A reset restores the initial weights of the run, as published, unless ``fresh_resets`` is set.
        """
        options = self.options
        sizes = self.spec.observation_size, self.spec.action_size
        actor = *sizes, options.actor_width, options.actor_blocks
        critic = *sizes, options.critic_width, options.critic_blocks, options.quantiles
        near_zero_init = options.initial_std is not None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed + (self.resets_made if options.fresh_resets else 0))
            self.actor = Actor(*actor, options.initial_std).to(self.device)
            self.optimistic_actor = OptimisticActor(*actor).to(self.device)
            self.critics = Critics(*critic, near_zero_init).to(self.device)
        self.targets = deepcopy(self.critics).requires_grad_(False)
        self.weights = weights = LossWeights(options.initial_temperature).to(self.device)
        learning_rate, decay = options.learning_rate, options.weight_decay
        self.critic_optimizer = FlatAdam(self.critics.parameters(), learning_rate, decay)
        self.actor_optimizer = FlatAdam(self.actor.parameters(), learning_rate, decay)
        self.optimistic_optimizer = FlatAdam(self.optimistic_actor.parameters(), learning_rate, decay)
        self.temperature_optimizer = FlatAdam([weights.log_temperature], learning_rate, beta1=SCALAR_BETA1)
        self.controller_optimizer = FlatAdam(
            [weights.raw_optimism, weights.raw_kl_weight], CONTROLLER_LEARNING_RATE, beta1=SCALAR_BETA1
        )
        self.gradient_steps = 0  # since the last reset
        self.target_parameters = flatten(self.targets.parameters())
        self.frozen_critics = frozen(self.critics)

    def policy(self, observations: Tensor, explore: bool) -> Tensor:
        """Samples of the optimistic actor if exploring, else the actor's mode."""
        policy: SquashedGaussian = self.actor(observations)
        if not explore:
            return policy.mode
        if self.options.optimism:
            policy = self.optimistic_actor(observations, policy)
        return policy.sample(self.noise(*policy.mean.shape))

    def network(self) -> nn.Module:
        """Network from observations to the mode of the actor."""
        return DeterministicActor(self.actor)

    def observe(self, transitions: Transitions) -> None:
        """Add transitions to the replay buffer, and count them for the resets."""
        super().observe(transitions)
        self.observed_steps += len(transitions)

    def update(self, steps: int) -> Mapping[str, float]:
        """Reset if one is due, then as :meth:`OffPolicyAgent.update`."""
        due = bisect_right(self.options.reset_schedule, self.observed_steps)
        if due > self.resets_made:
            self.resets_made = due
            self._initialize()
        return super().update(steps)

    def _learn(self, count: int) -> Iterator[Tensor]:
        """Make ``count`` gradient steps; policies and temperature are fixed during the first ``critic_warmup``."""
        warm = self.gradient_steps >= self.options.critic_warmup
        policy_optimizers = self.actor_optimizer, self.optimistic_optimizer, self.temperature_optimizer
        self.set_learning_rate(policy_optimizers, self.options.learning_rate if warm else 0.0)
        self.gradient_steps += count
        yield from super()._learn(count)

    def gradient_step(self, batch: Batch, noise: Tensor) -> tuple[Tensor, ...]:
        """Update critics, target critics, actor, optimistic actor and loss weights, in this order."""
        next_noise, actor_noise, optimistic_noise = noise
        metrics = self._step_critics(batch, next_noise)
        self.target_parameters.lerp_(self.critic_optimizer.flat_parameters, self.options.tau)
        metrics += self._step_actor(batch, actor_noise)
        if self.options.optimism:
            metrics += self._step_optimistic_actor(batch, optimistic_noise)
        return metrics

    def _step_critics(self, batch: Batch, noise: Tensor) -> tuple[Tensor, ...]:
        """Quantile regression on r + gamma (Q' - alpha log pi), per quantile. Returns loss and mean Q value."""
        with torch.no_grad():
            actions, log_prob = self.actor(batch.next_observations).sample_with_log_prob(noise)
            next_values = self._pessimistic(self.targets(torch.cat((batch.next_observations, actions), -1)))
            next_values -= (self.weights.temperature() * log_prob).unsqueeze(-1)
            td_target = batch.rewards.unsqueeze(-1) + batch.discounts.unsqueeze(-1) * next_values
        quantiles = self.critics(batch.observations_actions)
        loss = quantile_huber(quantiles, td_target)
        self.critic_optimizer.minimize(loss)
        return loss.detach(), quantiles.detach().mean()

    def _step_actor(self, batch: Batch, noise: Tensor) -> tuple[Tensor, ...]:
        """Minimize alpha log pi - Q, then alpha (entropy - target). Returns loss, entropy, old temperature."""
        temperature = self.weights.temperature()
        actions, log_prob = self.actor(batch.observations).sample_with_log_prob(noise)
        quantiles = self.frozen_critics(torch.cat((batch.observations, actions), -1))
        loss = temperature.detach() * log_prob.mean() - self._pessimistic(quantiles).mean()
        self.actor_optimizer.minimize(loss)
        entropy = -log_prob.detach().mean()
        self.temperature_optimizer.minimize(temperature * (entropy - self.target_entropy))
        return loss.detach(), entropy, temperature.detach()

    def _step_optimistic_actor(self, batch: Batch, noise: Tensor) -> tuple[Tensor, ...]:
        """Minimize -(Q + o |Q1 - Q2| / 2) + k KL; adapt o and k to the KL target. Returns KL per dimension, o and k."""
        with torch.no_grad():
            policy = self.actor(batch.observations)
        optimistic = self.optimistic_actor(batch.observations, policy)
        quantiles = self.frozen_critics(torch.cat((batch.observations, optimistic.sample(noise)), -1))
        optimism, kl_weight = self.weights.optimism(), self.weights.kl_weight()
        kl = kl_divergence(optimistic, policy).mean()
        values = quantiles.mean() + optimism.detach() * _disagreement(quantiles).mean()
        self.optimistic_optimizer.minimize(kl_weight.detach() * kl - values)
        kl_per_dimension = kl.detach() / self.spec.action_size
        self.controller_optimizer.minimize(
            (optimism - self.options.pessimism - kl_weight) * (kl_per_dimension - KL_TARGET)
        )
        return kl_per_dimension, optimism.detach(), kl_weight.detach()

    def _pessimistic(self, quantiles: Tensor) -> Tensor:
        """Mean of the critics minus ``pessimism`` times their disagreement, (2, B, Q) to (B, Q)."""
        values: Tensor = quantiles.mean(0)
        if self.options.pessimism:
            values = values - self.options.pessimism * _disagreement(quantiles)
        return values

    def parts(self) -> dict[str, Part]:
        """Networks and optimizers."""
        return {
            "actor": self.actor,
            "optimistic_actor": self.optimistic_actor,
            "critics": self.critics,
            "targets": self.targets,
            "weights": self.weights,
            "critic_optimizer": self.critic_optimizer,
            "actor_optimizer": self.actor_optimizer,
            "optimistic_optimizer": self.optimistic_optimizer,
            "temperature_optimizer": self.temperature_optimizer,
            "controller_optimizer": self.controller_optimizer,
        }

    def counters(self) -> dict[str, int]:
        """Counters that determine the next resets and the warm-up of the critics."""
        return {
            "seed": self.seed,
            "observed_steps": self.observed_steps,
            "resets_made": self.resets_made,
            "gradient_steps": self.gradient_steps,
        }


def _disagreement(quantiles: Tensor) -> Tensor:
    """|Q1 - Q2| / 2, (2, B, Q) to (B, Q)."""
    return (quantiles[0] - quantiles[1]).abs() / 2


def _gamma(options: BroOptions, spec: AgentSpec) -> float:
    """Discount factor: as given, or by the heuristic of TD-MPC2 (Hansen et al. 2024, arXiv 2310.16828, appendix)."""
    if options.gamma == "horizon":
        return min(max(1 - 5 / spec.horizon, 0.95), 0.995)
    return options.gamma
