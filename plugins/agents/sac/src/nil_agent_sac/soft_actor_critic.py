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
from nil_agent_sac.numba_backend import Step, numba_step
from nil_core.api import AgentSpec
from nil_core.learning import (
    Batch,
    DeterministicActor,
    FlatAdam,
    OffPolicyAgent,
    Part,
    PolicyAverage,
    SquashedGaussian,
    flatten,
)


class SoftActorCritic(OffPolicyAgent):
    """The agent ``sac``; see :class:`nil_core.api.Agent` for its methods.

    The critics are one batched network; the policy step computes no gradient of the critics' parameters. On a CPU
    a gradient step is one function compiled by numba that computes the same as the methods below.
    """

    name = "sac"
    metrics = ("critic_loss", "q_mean", "actor_loss", "entropy", "temperature")
    noise_draws = 2
    options: SacOptions

    def __init__(self, options: SacOptions, spec: AgentSpec) -> None:
        super().__init__(options, spec, options.gamma, options.n_step)
        sizes = spec.observation_size, spec.action_size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.seed)
            self.actor = Actor(*sizes, options.hidden, options.initial_std).to(self.device)
            self.critics = Critics(options.critics, *sizes, options.hidden).to(self.device)
        self.gradient_steps = 0
        self.targets = deepcopy(self.critics).requires_grad_(False)
        self.temperature = Temperature(options.initial_temperature).to(self.device)
        self.target_entropy = options.target_entropy * spec.action_size
        policy = [*self.actor.parameters(), *self.temperature.parameters()]  # the actor first, as its average expects
        self.policy_optimizer = FlatAdam(policy, options.learning_rate)
        self.critic_optimizer = FlatAdam(self.critics.parameters(), options.learning_rate)
        self.target_parameters = flatten(self.targets.parameters())
        self.average = PolicyAverage(self.actor, options.policy_average) if options.policy_average else None

    def policy(self, observations: Tensor, explore: bool) -> Tensor:
        """Samples of the policy if exploring, else the mode of the averaged policy."""
        policy: SquashedGaussian = (self.actor if explore else self._evaluated)(observations)
        return policy.sample(self.noise(*policy.mean.shape)) if explore else policy.mode

    def network(self) -> nn.Module:
        """Network from observations to the mode of the averaged policy."""
        return DeterministicActor(self._evaluated)

    @property
    def _evaluated(self) -> nn.Module:
        return self.actor if self.average is None else self.average.network

    @cached_property
    def compiled(self) -> Step | None:
        """The numba gradient step, None if not available. An agent that only acts never loads numba."""
        if not self.options.compiled or self.device.type != "cpu":
            return None
        policy_and_critics = self.actor, self.policy_optimizer, self.critics, self.critic_optimizer
        return numba_step(self.options, *policy_and_critics, self.target_parameters, self.target_entropy)

    def counters(self) -> dict[str, int]:
        """Gradient steps made."""
        return {"gradient_steps": self.gradient_steps}

    def _learn(self, count: int) -> Iterator[Tensor]:
        """Make ``count`` gradient steps; policy and temperature are fixed during the first ``critic_warmup``."""
        warm = self.gradient_steps >= self.options.critic_warmup
        self.set_learning_rate([self.policy_optimizer], self.options.learning_rate if warm else 0.0)
        self.gradient_steps += count
        yield from super()._learn(count)
        if self.average is not None:
            self.average.update(self.policy_optimizer.flat_parameters, count, self.gradient_steps)

    def gradient_step(self, batch: Batch, noise: Tensor) -> tuple[Tensor, ...]:
        """Update critics, target critics, then actor and temperature."""
        if self.compiled is not None:
            return self.compiled(batch.rows, noise)
        next_noise, policy_noise = noise
        critic_metrics = self._step_critics(batch, next_noise)
        self.target_parameters.lerp_(self.critic_optimizer.flat_parameters, self.options.tau)
        return *critic_metrics, *self._step_policy(batch, policy_noise)

    def _step_critics(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Equations 5 and 6: half the squared soft Bellman error, summed over critics. Returns loss and mean Q."""
        with torch.no_grad():
            actions, log_prob = self.actor(batch.next_observations).sample_with_log_prob(noise)
            next_values = self.targets(torch.cat((batch.next_observations, actions), -1)).amin(0)
            next_values -= self.temperature() * log_prob
            td_target = torch.addcmul(batch.rewards, batch.discounts, next_values)
        q = self.critics(batch.observations_actions)
        loss = mse_loss(q, td_target.expand_as(q)) * (self.options.critics / 2)
        self.critic_optimizer.minimize(loss)
        return loss.detach(), q.detach().mean()

    def _step_policy(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Equations 7 and 18: update actor and temperature. Returns the actor's loss, entropy and temperature."""
        actions, log_prob = self.actor(batch.observations).sample_with_log_prob(noise)
        min_q = self.critics(torch.cat((batch.observations, actions), -1)).min(0).values
        temperature = self.temperature()
        detached = temperature.detach()
        loss = (detached * log_prob - min_q).mean()
        entropy = -log_prob.detach().mean()
        self.policy_optimizer.minimize(loss + temperature * (entropy - self.target_entropy))
        return loss.detach(), entropy, detached

    def parts(self) -> dict[str, Part]:
        """Networks and optimizers."""
        average = {} if self.average is None else {"average": self.average}
        return {
            **average,
            "actor": self.actor,
            "critics": self.critics,
            "targets": self.targets,
            "temperature": self.temperature,
            "policy_optimizer": self.policy_optimizer,
            "critic_optimizer": self.critic_optimizer,
        }
