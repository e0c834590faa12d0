"""Soft actor-critic (Haarnoja et al. 2018, arXiv 1812.05905) with automatic temperature."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from nil_agent_sac import SacOptions
from nil_agent_sac.networks import Actor, Critics, Temperature
from nil_core.api import AgentSetting, Floats, NumericalError, Transitions
from nil_core.learning import Batch, FlatAdam, Part, ReplayBuffer, cpu_threads, flatten, load_state, save_state

METRICS = ("critic_loss", "q_mean", "actor_loss", "entropy", "temperature")

# Gradient steps whose transitions are gathered at once: more saves nothing, and a long update would fill the memory.
CHUNK = 32


class SoftActorCritic:
    """The agent ``sac``; see :class:`nil_core.api.Agent` for what its methods promise.

    What makes it fast on one core: the critics are one batched network; a call of :meth:`update` gathers its
    transitions and draws its noise at once, and reads its metrics back once; weights lie in one flat tensor each for
    Adam and the targets' moving average; and the policy's step computes no gradient of the critics' weights.
    """

    def __init__(self, options: SacOptions, setting: AgentSetting) -> None:
        self.options, self.setting = options, setting
        self.device = torch.device(setting.device)
        sizes = setting.observation_size, setting.action_size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setting.seed)
            self.actor = Actor(*sizes, options.hidden, options.initial_std).to(self.device)
            self.critics = Critics(options.critics, *sizes, options.hidden).to(self.device)
        self.targets = deepcopy(self.critics).requires_grad_(False)
        self.temperature = Temperature(options.initial_temperature).to(self.device)
        self.target_entropy = options.target_entropy * setting.action_size
        policy = [*self.actor.parameters(), *self.temperature.parameters()]
        self.policy_optimiser = FlatAdam(policy, options.learning_rate)
        self.critic_optimiser = FlatAdam(self.critics.parameters(), options.learning_rate)
        self.target_weights = flatten(self.targets.parameters())
        self.generator = torch.Generator(self.device).manual_seed(setting.seed)
        self.replay = ReplayBuffer(options.capacity, *sizes, self.device)
        self.acted = 0
        self.owed = Fraction(0)

    def act(self, observations: Floats, explore: bool) -> Floats:
        """Uniform actions during the warm-up, then samples of the policy; its mode unless exploring."""
        shape = len(observations), self.setting.action_size
        with torch.inference_mode(), cpu_threads(self.options.threads):
            if explore and self.acted < self.options.warmup:
                actions = torch.rand(shape, generator=self.generator, device=self.device) * 2 - 1
            else:
                policy = self.actor(torch.from_numpy(observations).to(self.device))
                actions = policy.sample(self._noise(*shape)) if explore else policy.mode
        if explore:
            self.acted += len(observations)
        return actions.numpy(force=True)

    def observe(self, transitions: Transitions) -> None:
        """Remember the transitions."""
        self.replay.add(transitions)

    def update(self, steps: int) -> Mapping[str, float]:
        """``steps`` times the replay ratio gradient steps; none before a warm-up and a batch are remembered.

        Returns:
            the means of ``METRICS`` over the gradient steps.

        Raises:
            NumericalError: one of them is not finite.
        """
        if len(self.replay) < max(self.options.warmup, self.options.batch):
            return {}
        self.owed += steps * Fraction(str(self.options.replay_ratio))
        due = int(self.owed)
        self.owed -= due
        if due == 0:
            return {}
        with cpu_threads(self.options.threads):
            chunks = (self._gradient_steps(min(CHUNK, due - done)) for done in range(0, due, CHUNK))
            metrics = torch.stack([metric for chunk in chunks for metric in chunk])
        means = dict(zip(METRICS, metrics.view(due, len(METRICS)).mean(0).tolist(), strict=True))
        if not all(map(math.isfinite, means.values())):
            raise NumericalError(
                f"sac diverged: {', '.join(f'{name} {value:.3g}' for name, value in means.items())}",
                "Lower agent.learning_rate or agent.discount, and look for extreme rewards or observations.",
            )
        return means

    def _gradient_steps(self, count: int) -> Iterator[Tensor]:
        """Make ``count`` steps; yields the ``METRICS`` of each as scalars that stay on the device."""
        options = self.options
        batches = self.replay.sample(count, options.batch, self.generator)
        noises = self._noise(count, 2, options.batch, self.setting.action_size)
        for batch, (next_noise, noise) in zip(batches, noises, strict=True):
            yield from self._step_critics(batch, next_noise)
            self.target_weights.lerp_(self.critic_optimiser.weights, options.target_rate)
            yield from self._step_policy(batch, noise)

    def _step_critics(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Equations 5 to 6: half the squared soft Bellman error, summed over the critics. Loss and mean value."""
        with torch.no_grad():
            actions, log_prob = self.actor(batch.next_observations).sample_with_log_prob(noise)
            values = self.targets(torch.cat((batch.next_observations, actions), -1)).amin(0)
            values -= self.temperature() * log_prob
            goal = torch.addcmul(batch.rewards, batch.continuations, values, value=self.options.discount)
        values = self.critics(batch.observations_actions)
        loss = mse_loss(values, goal.expand_as(values)) * (self.options.critics / 2)
        self.critic_optimiser.descend(loss)
        return loss.detach(), values.detach().mean()

    def _step_policy(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Equations 7 and 18: actor and temperature. The actor's loss, the entropy and the temperature."""
        actions, log_prob = self.actor(batch.observations).sample_with_log_prob(noise)
        values = self.critics(torch.cat((batch.observations, actions), -1)).min(0).values
        temperature = self.temperature()
        held = temperature.detach()
        loss = (held * log_prob - values).mean()
        entropy = -log_prob.detach().mean()
        self.policy_optimiser.descend(loss + temperature * (entropy - self.target_entropy))
        return loss.detach(), entropy, held

    def save(self, folder: Path) -> None:
        """Write networks, optimisers, random state, counters and the replay buffer."""
        save_state(folder, self._parts(), {"acted": self.acted, "owed": str(self.owed)})
        self.replay.save(folder / "replay.safetensors")

    def load(self, folder: Path) -> None:
        """Restore what :meth:`save` wrote; acting and learning go on to the bit.

        Raises:
            RunError: the folder holds something else, or sizes differ.
        """
        numbers = load_state(folder, self._parts())
        self.replay.load(folder / "replay.safetensors")
        self.acted, self.owed = int(numbers["acted"]), Fraction(numbers["owed"])

    def _parts(self) -> dict[str, Part]:
        return {
            "actor": self.actor,
            "critics": self.critics,
            "targets": self.targets,
            "temperature": self.temperature,
            "policy_optimiser": self.policy_optimiser,
            "critic_optimiser": self.critic_optimiser,
            "generator": self.generator,
        }

    def _noise(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, device=self.device)
