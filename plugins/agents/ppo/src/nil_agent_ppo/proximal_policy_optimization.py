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
from nil_core.api import AgentSpec, Floats, RunError, Transitions
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
POLICY_METRICS = ("policy_loss", "entropy", "kl", "clipped")

RATE_FACTOR = 1.5  # of the learning rate's adaptation, and its bounds; those of rsl-rl, but per update, not per step
RATE_BOUNDS = (1e-6, 1e-2)


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
        clipped: Floats = actions.clamp(-1.0, 1.0).numpy(force=True)
        return clipped

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
        learned: list[Mapping[str, float]] = []
        with cpu_threads(self.options.threads):
            while self.rollouts.ready(self.rollout_steps):
                learned.append(self._learn(self.rollouts.take(self.rollout_steps, self.device)))
        if not learned:
            return {}
        return {name: sum(each[name] for each in learned) / len(learned) for name in learned[0]}

    def _learn(self, rollout: Rollout) -> Mapping[str, float]:
        """Pass over a rollout several times, then add its observations to the normalization."""
        samples = self._samples(rollout)
        policy_values, critic_losses = [], []
        is_near = True  # the policy to the one that acted
        for rows in self._minibatches(len(samples.returns)):
            batch = samples[rows]
            critic_losses.append(self._step_critic(batch))
            if is_near:
                values, is_near = self._step_policy(batch)
                policy_values.append(values)
        self._adapt_learning_rate(is_near, float(policy_values[-1][POLICY_METRICS.index("kl")]))
        if self.options.normalize_observations:
            self.normalizer.update(rollout.observations.flatten(0, 1))
        means = torch.stack(policy_values).mean(0).tolist()
        metrics = dict(zip(POLICY_METRICS, means, strict=True))
        metrics |= {
            "critic_loss": float(torch.stack(critic_losses).mean()),
            "std": float(self.policy.log_std.detach().exp().mean()),
            "learning_rate": self.policy_optimizer.learning_rate,
        }
        return checked_metrics("ppo", metrics)

    def _adapt_learning_rate(self, is_near: bool, kl: float) -> None:
        """Lower the policy's learning rate after an update that ``target_kl`` stopped, raise it after a small one."""
        target = self.options.target_kl
        if not target or (is_near and kl > target / 2):
            return
        factor = RATE_FACTOR if is_near else 1 / RATE_FACTOR
        first, (low, high) = self.options.learning_rate, RATE_BOUNDS
        rate = self.policy_optimizer.learning_rate * factor
        self.policy_optimizer.learning_rate = min(max(rate, min(low, first)), max(high, first))

    def _minibatches(self, count: int) -> Iterator[Tensor]:
        """Row numbers of each gradient step: in every epoch all rows once, in random order."""
        for _ in range(self.options.epochs):
            order = torch.randperm(count, generator=self.generator, device=self.device)
            yield from torch.split(order, self.options.batch_size)

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

    def _step_policy(self, samples: Samples) -> tuple[Tensor, bool]:
        """Update the policy, unless its KL divergence from the one that acted exceeds ``target_kl``.

        Returns:
            (4,), a value for each of ``POLICY_METRICS``; and whether it was updated.
        """
        options = self.options
        policy = self.policy(samples.observations)
        log_ratios = policy.log_prob(samples.actions) - samples.log_probs
        ratios = log_ratios.exp()
        kl = (ratios - 1 - log_ratios).detach().mean()  # never negative (Schulman 2020, "Approximating KL divergence")
        loss = clipped_loss(ratios, samples.advantages, options.clip)
        entropy = policy.entropy().mean()
        is_near = not options.target_kl or float(kl) <= options.target_kl
        if is_near:
            self.policy_optimizer.minimize(loss - options.entropy_weight * entropy, options.max_grad_norm)
        clipped = ((ratios - 1).abs() > options.clip).float().mean()
        return torch.stack([loss, entropy, kl, clipped]).detach(), is_near

    def _step_critic(self, samples: Samples) -> Tensor:
        """Update the critic by half its squared error, which is returned."""
        loss = mse_loss(self.critic(samples.observations).squeeze(-1), samples.returns) / 2
        self.critic_optimizer.minimize(loss, self.options.max_grad_norm)
        return loss.detach()

    def save(self, folder: Path) -> None:
        """Write networks, optimizers, normalization and random state, and what is known of the running rollout."""
        save_state(folder, self._parts(), {"learning_rate": self.policy_optimizer.learning_rate})
        self.rollouts.save(folder / ROLLOUTS, returns=self.reward_scale.returns)

    def load(self, folder: Path) -> None:
        """Restore what :meth:`save` wrote, so that acting and learning continue bit for bit.

        Without the file of the rollout, or with another number of environments, only acting can continue.

        Raises:
            RunError: the folder holds something else, or sizes differ.
        """
        counters = load_state(folder, self._parts())
        try:
            self.policy_optimizer.learning_rate = float(counters["learning_rate"])
        except (KeyError, TypeError, ValueError) as error:
            hint = "Resume from another checkpoint."
            raise RunError(f"the learning rate in {folder} is damaged: {error}", hint) from None
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
