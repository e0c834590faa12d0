"""Soft actor-critic (Haarnoja et al. 2018, arXiv 1812.05905) with automatic temperature."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from nil_agent_sac import SacOptions
from nil_agent_sac.networks import Actor, Critics, Temperature
from nil_agent_sac.on_a_cpu import Step, compiled_step
from nil_core.api import AgentSpec
from nil_core.learning import Batch, FlatAdam, Mode, Part, ReplayLearner, SquashedGaussian, flatten


class SoftActorCritic(ReplayLearner):
    """The agent ``sac``; see :class:`nil_core.api.Agent` for what its methods promise.

    The critics are one batched network, and the policy's step computes no gradient of the critics' weights. On a CPU a
    gradient step is one compiled function, of the same arithmetic as the methods below.
    """

    name = "sac"
    metrics = ("critic_loss", "q_mean", "actor_loss", "entropy", "temperature")
    draws = 2
    options: SacOptions

    def __init__(self, options: SacOptions, setting: AgentSpec) -> None:
        super().__init__(options, setting)
        sizes = setting.observation_size, setting.action_size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setting.seed)
            self.actor = Actor(*sizes, options.hidden, options.initial_std).to(self.device)
            self.critics = Critics(options.critics, *sizes, options.hidden).to(self.device)
        self.gradient_steps = 0
        self.targets = deepcopy(self.critics).requires_grad_(False)
        self.temperature = Temperature(options.initial_temperature).to(self.device)
        self.target_entropy = options.target_entropy * setting.action_size
        policy = [*self.actor.parameters(), *self.temperature.parameters()]
        self.policy_optimizer = FlatAdam(policy, options.learning_rate)
        self.critic_optimizer = FlatAdam(self.critics.parameters(), options.learning_rate)
        self.target_weights = flatten(self.targets.parameters())

    def policy(self, observations: Tensor, explore: bool) -> Tensor:
        """Samples of the actor; its mode unless exploring."""
        policy: SquashedGaussian = self.actor(observations)
        return policy.sample(self.noise(*policy.mean.shape)) if explore else policy.mode

    def network(self) -> nn.Module:
        """The actor's mode."""
        return Mode(self.actor)

    @cached_property
    def compiled(self) -> Step | None:
        """A gradient step as one function, where it can be had. Who only acts never asks, and loads no compiler."""
        if not self.options.compiled or self.device.type != "cpu":
            return None
        policy_and_critics = self.actor, self.policy_optimizer, self.critics, self.critic_optimizer
        return compiled_step(self.options, *policy_and_critics, self.target_weights, self.target_entropy)

    def counters(self) -> dict[str, int]:
        """Gradient steps made."""
        return {"gradient_steps": self.gradient_steps}

    def _learn(self, count: int) -> Iterator[Tensor]:
        """Make ``count`` gradient steps; the policy stays as it is in the first ``critic_warmup`` of a run."""
        rate = self.options.learning_rate if self.gradient_steps >= self.options.critic_warmup else 0.0
        if rate != self.policy_optimizer.learning_rate:
            self.policy_optimizer.learning_rate = rate
            self.capture_anew()
        self.gradient_steps += count
        return super()._learn(count)

    def gradient_step(self, batch: Batch, noises: Tensor) -> tuple[Tensor, ...]:
        """Critics, their targets, then actor and temperature."""
        if self.compiled is not None:
            return self.compiled(batch.rows, noises)
        next_noise, noise = noises
        critic_report = self._step_critics(batch, next_noise)
        self.target_weights.lerp_(self.critic_optimizer.weights, self.options.target_rate)
        return *critic_report, *self._step_policy(batch, noise)

    def _step_critics(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Equations 5 to 6: half the squared soft Bellman error, summed over the critics. Loss and mean value."""
        with torch.no_grad():
            actions, log_prob = self.actor(batch.next_observations).sample_with_log_prob(noise)
            values = self.targets(torch.cat((batch.next_observations, actions), -1)).amin(0)
            values -= self.temperature() * log_prob
            goal = torch.addcmul(batch.rewards, batch.continuations, values, value=self.options.discount)
        values = self.critics(batch.observations_actions)
        loss = mse_loss(values, goal.expand_as(values)) * (self.options.critics / 2)
        self.critic_optimizer.descend(loss)
        return loss.detach(), values.detach().mean()

    def _step_policy(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Equations 7 and 18: actor and temperature. The actor's loss, the entropy and the temperature."""
        actions, log_prob = self.actor(batch.observations).sample_with_log_prob(noise)
        values = self.critics(torch.cat((batch.observations, actions), -1)).min(0).values
        temperature = self.temperature()
        held = temperature.detach()
        loss = (held * log_prob - values).mean()
        entropy = -log_prob.detach().mean()
        self.policy_optimizer.descend(loss + temperature * (entropy - self.target_entropy))
        return loss.detach(), entropy, held

    def parts(self) -> dict[str, Part]:
        """Networks and optimizers."""
        return {
            "actor": self.actor,
            "critics": self.critics,
            "targets": self.targets,
            "temperature": self.temperature,
            "policy_optimizer": self.policy_optimizer,
            "critic_optimizer": self.critic_optimizer,
        }
