"""BRO: Bigger, Regularized, Optimistic (Nauman et al. 2024, arXiv 2405.16158), as its authors' JAX code has it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn

from nil_agent_bro import BroOptions
from nil_agent_bro.networks import Actor, Critics, OptimisticActor, Weights, divergence
from nil_core.api import AgentSpec, Transitions
from nil_core.learning import (
    Batch,
    FlatAdam,
    Mode,
    Part,
    ReplayLearner,
    SquashedGaussian,
    flatten,
    frozen,
    quantile_huber,
)

KL_TARGET = 0.05  # nats per action entry
CONTROLLER_RATE = 3e-5
SCALAR_MEAN_DECAY = 0.5  # Adam's beta 1 for the temperature and the controllers


class BiggerRegularizedOptimistic(ReplayLearner):
    """The agents ``bro`` and ``bro-fast``; see :class:`nil_core.api.Agent` for what their methods promise."""

    name = "bro"
    metrics: tuple[str, ...] = ("critic_loss", "q_mean", "actor_loss", "entropy", "temperature")
    draws = 3
    options: BroOptions

    def __init__(self, options: BroOptions, setting: AgentSpec) -> None:
        super().__init__(options, setting)
        if options.optimism:
            self.metrics = (*self.metrics, "kl", "optimism", "kl_weight")
        self.discount = _discount(options, setting)
        self.target_entropy = options.target_entropy * setting.action_size
        self.seed = setting.seed
        self.seen = 0  # environment steps observed
        self.resets = 0  # resets made
        self._begin()

    def _begin(self) -> None:
        """New networks, and optimizers that know nothing yet.

        A reset brings back the very first weights, as published, unless fresh ones are asked for.
        """
        options = self.options
        sizes = self.setting.observation_size, self.setting.action_size
        actor = *sizes, options.actor_width, options.actor_blocks
        critic = *sizes, options.critic_width, options.critic_blocks, options.quantiles
        calm = options.initial_std is not None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed + (self.resets if options.fresh_resets else 0))
            self.actor = Actor(*actor, options.initial_std).to(self.device)
            self.optimist = OptimisticActor(*actor).to(self.device)
            self.critics = Critics(*critic, calm).to(self.device)
        self.targets = deepcopy(self.critics).requires_grad_(False)
        self.weights = Weights(options.initial_temperature).to(self.device)
        step, decay = options.learning_rate, options.weight_decay
        self.critic_optimizer = FlatAdam(self.critics.parameters(), step, decay)
        self.actor_optimizer = FlatAdam(self.actor.parameters(), step, decay)
        self.optimist_optimizer = FlatAdam(self.optimist.parameters(), step, decay)
        weights, slow = self.weights, SCALAR_MEAN_DECAY
        self.temperature_optimizer = FlatAdam([weights.temperature_log], options.learning_rate, mean_decay=slow)
        self.controller_optimizer = FlatAdam([weights.optimism_raw, weights.kl_raw], CONTROLLER_RATE, mean_decay=slow)
        self.target_weights = flatten(self.targets.parameters())
        self.judges = frozen(self.critics)

    def policy(self, observations: Tensor, explore: bool) -> Tensor:
        """Samples of the optimistic actor; the first actor's mode unless exploring."""
        policy: SquashedGaussian = self.actor(observations)
        if not explore:
            return policy.mode
        if self.options.optimism:
            policy = self.optimist(observations, policy)
        return policy.sample(self.noise(*policy.mean.shape))

    def network(self) -> nn.Module:
        """The first actor's mode."""
        return Mode(self.actor)

    def observe(self, transitions: Transitions) -> None:
        """Remember the transitions, and count them for the resets."""
        super().observe(transitions)
        self.seen += len(transitions)

    def update(self, steps: int) -> Mapping[str, float]:
        """As every learner's; begins anew first where a reset has come due."""
        due = bisect_right(self.options.schedule, self.seen)
        if due > self.resets:
            self.resets = due
            self._begin()
        return super().update(steps)

    def gradient_step(self, batch: Batch, noises: Tensor) -> tuple[Tensor, ...]:
        """Critics, targets, actor, optimistic actor, scalars: each sees those before it renewed."""
        next_noise, noise, optimist_noise = noises
        report = self._step_critics(batch, next_noise)
        self.target_weights.lerp_(self.critic_optimizer.weights, self.options.target_rate)
        report += self._step_actor(batch, noise)
        if self.options.optimism:
            report += self._step_optimist(batch, optimist_noise)
        return report

    def _step_critics(self, batch: Batch, noise: Tensor) -> tuple[Tensor, ...]:
        """Quantile regression on r + gamma (Q' - alpha log pi), quantile by quantile. Loss and mean value."""
        with torch.no_grad():
            actions, log_prob = self.actor(batch.next_observations).sample_with_log_prob(noise)
            values = self._pessimistic(self.targets(torch.cat((batch.next_observations, actions), -1)))
            values -= (self.weights.temperature() * log_prob).unsqueeze(-1)
            goal = batch.rewards.unsqueeze(-1) + self.discount * batch.continuations.unsqueeze(-1) * values
        quantiles = self.critics(batch.observations_actions)
        loss = quantile_huber(quantiles, goal)
        self.critic_optimizer.descend(loss)
        return loss.detach(), quantiles.detach().mean()

    def _step_actor(self, batch: Batch, noise: Tensor) -> tuple[Tensor, ...]:
        """alpha log pi - Q, then alpha (entropy - its target). Loss, entropy, and the temperature it was made with."""
        temperature = self.weights.temperature()
        actions, log_prob = self.actor(batch.observations).sample_with_log_prob(noise)
        quantiles = self.judges(torch.cat((batch.observations, actions), -1))
        loss = temperature.detach() * log_prob.mean() - self._pessimistic(quantiles).mean()
        self.actor_optimizer.descend(loss)
        entropy = -log_prob.detach().mean()
        self.temperature_optimizer.descend(temperature * (entropy - self.target_entropy))
        return loss.detach(), entropy, temperature.detach()

    def _step_optimist(self, batch: Batch, noise: Tensor) -> tuple[Tensor, ...]:
        """-(Q + o |Q1 - Q2| / 2) + k KL, then o and k, which hold KL at its target. KL per action entry, o and k."""
        with torch.no_grad():
            policy = self.actor(batch.observations)
        optimist = self.optimist(batch.observations, policy)
        quantiles = self.judges(torch.cat((batch.observations, optimist.sample(noise)), -1))
        optimism, kl_weight = self.weights.optimism(), self.weights.kl()
        kl = divergence(optimist, policy).mean()
        values = quantiles.mean() + optimism.detach() * _disagreement(quantiles).mean()
        self.optimist_optimizer.descend(kl_weight.detach() * kl - values)
        per_entry = kl.detach() / self.setting.action_size
        self.controller_optimizer.descend((optimism - self.options.pessimism - kl_weight) * (per_entry - KL_TARGET))
        return per_entry, optimism.detach(), kl_weight.detach()

    def _pessimistic(self, quantiles: Tensor) -> Tensor:
        """The critics (2, B, Q) as one (B, Q)."""
        values: Tensor = quantiles.mean(0)
        if self.options.pessimism:
            values = values - self.options.pessimism * _disagreement(quantiles)
        return values

    def parts(self) -> dict[str, Part]:
        """Networks and optimizers."""
        return {
            "actor": self.actor,
            "optimist": self.optimist,
            "critics": self.critics,
            "targets": self.targets,
            "weights": self.weights,
            "critic_optimizer": self.critic_optimizer,
            "actor_optimizer": self.actor_optimizer,
            "optimist_optimizer": self.optimist_optimizer,
            "temperature_optimizer": self.temperature_optimizer,
            "controller_optimizer": self.controller_optimizer,
        }

    def counters(self) -> dict[str, int]:
        """What the coming resets depend on."""
        return {"seed": self.seed, "seen": self.seen, "resets": self.resets}


def _disagreement(quantiles: Tensor) -> Tensor:
    """|Q1 - Q2| / 2, (2, B, Q) to (B, Q)."""
    return (quantiles[0] - quantiles[1]).abs() / 2


def _discount(options: BroOptions, setting: AgentSpec) -> float:
    """As given, or the heuristic of TD-MPC2 (Hansen et al. 2024, arXiv 2310.16828, appendix)."""
    if options.discount == "horizon":
        return min(max(1 - 5 / setting.horizon, 0.95), 0.995)
    return options.discount
