"""Proximal policy optimization (Schulman et al. 2017, arXiv 1707.06347) with the clipped objective."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from nil_agent_ppo import TRANSITIONS, PpoOptions
from nil_agent_ppo.networks import ExportedPolicy, Policy
from nil_agent_ppo.reward_scale import RewardScale
from nil_agent_ppo.rollouts import Rollout, Rollouts, advantages
from nil_core.api import AgentSpec, Floats, Transitions
from nil_core.learning import (
    FlatAdam,
    Part,
    RunningNormalizer,
    checked_metrics,
    cpu_threads,
    load_state,
    orthogonal_mlp,
    save_state,
)

ROLLOUTS = "replay.safetensors"
METRICS = ("policy_loss", "critic_loss", "entropy", "kl", "clipped")


@dataclass(frozen=True)
class Samples:
    """B transitions to take gradient steps on.

    Attributes:
        observations: (B, obs), normalized.
        actions: (B, act), before they were clipped.
        log_probs: (B,), of ``actions`` under the policy that acted.
        advantages: (B,), of mean 0 and standard deviation 1 over the rollout.
        returns: (B,), target of the critic.
    """

    observations: Tensor
    actions: Tensor
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor

    def __getitem__(self, rows: Tensor) -> Samples:
        return Samples(**{name: value[rows] for name, value in vars(self).items()})


class ProximalPolicyOptimization:
    """The agent ``ppo``; see :class:`nil_core.api.Agent` for its methods.

    The policy, which includes the normalization of observations, changes only in :meth:`update`, once ``rollout_steps``
    transitions of every environment are known.
    """

    def __init__(self, options: PpoOptions, spec: AgentSpec) -> None:
        self.options, self.spec = options, spec
        self.device = torch.device(spec.device)
        self.generator = torch.Generator(self.device).manual_seed(spec.seed)
        sizes = spec.observation_size, spec.action_size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.seed)
            policy = Policy(*sizes, options.hidden, options.initial_std, options.learn_std)
            critic = orthogonal_mlp(spec.observation_size, options.hidden, 1, head_gain=1.0)
        self.policy, self.critic = policy.to(self.device), critic.to(self.device)
        learned = [parameter for parameter in self.policy.parameters() if parameter.requires_grad]
        self.policy_optimizer = FlatAdam(learned, options.learning_rate)
        self.critic_optimizer = FlatAdam(self.critic.parameters(), options.critic_learning_rate)
        self.normalizer = RunningNormalizer(spec.observation_size).to(self.device)
        self.reward_scale = RewardScale(spec.num_envs, options.gamma, self.device)
        self.rollouts = Rollouts(spec)
        self.rollout_steps = options.rollout_steps or default_rollout_steps(spec)

    def act(self, observations: Floats, explore: bool) -> Floats:
        """Samples of the policy if exploring, else its mean; clipped to [-1, 1]."""
        with torch.inference_mode(), cpu_threads(self.options.threads):
            policy = self.policy(self.normalizer(torch.from_numpy(observations).to(self.device)))
            actions = policy.mean
            if explore:
                noise = torch.randn(actions.shape, generator=self.generator, device=self.device)
                actions = actions + policy.stddev * noise
                self.rollouts.act(actions.numpy(force=True), policy.log_prob(actions).numpy(force=True))
        return actions.clamp(-1.0, 1.0).numpy(force=True)

    def network(self) -> nn.Module:
        """Network from observations to the clipped mean of the policy."""
        return ExportedPolicy(self.normalizer, self.policy)

    def observe(self, transitions: Transitions) -> None:
        """Add transitions to the rollout of their environments."""
        self.rollouts.observe(transitions)

    def update(self, steps: int) -> Mapping[str, float]:
        """Learn from the rollout, if ``rollout_steps`` transitions of every environment are known.

        Returns:
            the means over the gradient steps; empty if there were none.

        Raises:
            NumericalError: one of them is not finite.
        """
        values: list[Tensor] = []
        with cpu_threads(self.options.threads):
            while self.rollouts.ready(self.rollout_steps):
                values += self._learn(self.rollouts.take(self.rollout_steps, self.device))
        if not values:
            return {}
        means = torch.stack(values).mean(0).tolist()
        std = float(self.policy.log_std.exp().mean())
        return checked_metrics("ppo", dict(zip(METRICS, means, strict=True)) | {"std": std})

    def _learn(self, rollout: Rollout) -> Iterator[Tensor]:
        """Pass over a rollout several times, then add its observations to the normalization; yields metrics."""
        samples = self._samples(rollout)
        for rows in self._minibatches(len(samples.returns)):
            metrics = self.gradient_step(samples[rows])
            if metrics is None:
                break
            yield metrics
        if self.options.normalize_observations:
            self.normalizer.update(rollout.observations.flatten(0, 1))

    def _minibatches(self, count: int) -> Iterator[Tensor]:
        """Row numbers of each gradient step: in every epoch all rows once, in random order."""
        for _ in range(self.options.epochs):
            order = torch.randperm(count, generator=self.generator, device=self.device)
            yield from order.split(self.options.batch_size)

    @torch.no_grad()
    def _samples(self, rollout: Rollout) -> Samples:
        options = self.options
        if options.normalize_rewards:
            rollout = replace(rollout, rewards=self.reward_scale.scale(rollout.rewards, rollout.ended))
        observations = self.normalizer(rollout.observations)
        values = self.critic(observations).squeeze(-1)
        next_values = self.critic(self.normalizer(rollout.next_observations)).squeeze(-1)
        estimates = advantages(rollout, values, next_values, options.gamma, options.gae_lambda)
        spread = estimates.std(correction=0) + 1e-8
        return Samples(
            observations=observations.flatten(0, 1),
            actions=rollout.actions.flatten(0, 1),
            log_probs=rollout.log_probs.flatten(),
            advantages=((estimates - estimates.mean()) / spread).flatten(),
            returns=(estimates + values).flatten(),
        )

    def gradient_step(self, samples: Samples) -> Tensor | None:
        """Update policy and critic.

        Returns:
            (5,), a value for each of ``METRICS``; None where nothing was updated, as ``target_kl`` is exceeded.
        """
        options = self.options
        policy = self.policy(samples.observations)
        log_ratios = policy.log_prob(samples.actions) - samples.log_probs
        ratios = log_ratios.exp()
        kl = (ratios - 1 - log_ratios).detach().mean()  # never negative (Schulman 2020, "Approximating KL divergence")
        if options.target_kl is not None and kl > options.target_kl:
            return None
        policy_loss = clipped_loss(ratios, samples.advantages, options.clip)
        entropy = policy.entropy().mean()
        critic_loss = mse_loss(self.critic(samples.observations).squeeze(-1), samples.returns) / 2
        self.policy_optimizer.minimize(policy_loss - options.entropy_weight * entropy, options.max_grad_norm)
        self.critic_optimizer.minimize(critic_loss, options.max_grad_norm)
        clipped = ((ratios - 1).abs() > options.clip).float().mean()
        return torch.stack([policy_loss.detach(), critic_loss.detach(), entropy.detach(), kl, clipped])

    def save(self, folder: Path) -> None:
        """Write networks, optimizers, normalization and random state, and what is known of the running rollout."""
        save_state(folder, self._parts(), {})
        self.rollouts.save(folder / ROLLOUTS, returns=self.reward_scale.returns)

    def load(self, folder: Path) -> None:
        """Restore what :meth:`save` wrote, so that acting and learning continue bit for bit.

        Without the file of the rollout, or with another number of environments, only acting can continue.

        Raises:
            RunError: the folder holds something else, or sizes differ.
        """
        load_state(folder, self._parts())
        if (folder / ROLLOUTS).exists():
            restored = self.rollouts.load(folder / ROLLOUTS, "returns")
            if restored is not None:
                self.reward_scale.returns = restored["returns"].to(self.device)

    def _parts(self) -> dict[str, Part]:
        return {
            "policy": self.policy,
            "critic": self.critic,
            "policy_optimizer": self.policy_optimizer,
            "critic_optimizer": self.critic_optimizer,
            "normalizer": self.normalizer,
            "reward_scale": self.reward_scale.statistics,
            "generator": self.generator,
        }


def clipped_loss(ratios: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """Minus the clipped surrogate objective (equation 7), a scalar.

    Args:
        ratios: (B,), probability of each action under the policy over that under the policy that acted.
        advantages: (B,).
        clip: epsilon.
    """
    clipped = ratios.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratios * advantages, clipped * advantages).mean()


def default_rollout_steps(spec: AgentSpec) -> int:
    """Control steps of a rollout where the options name none."""
    return max(1, min(TRANSITIONS, spec.total_steps // 10) // spec.num_envs)
