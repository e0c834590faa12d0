"""The diffusion classifier of DRAIL and the reward it gives."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from nil_core.api import ConfigError, DataError, Demonstrations, Floats, RewardSpec, Tick
from nil_core.learning import gradient_penalty, logistic_loss
from nil_core.learning.adversarial import AdversarialReward
from nil_reward_drail import DrailOptions
from nil_reward_drail.diffusion import NoisePredictor, antithetic_times


class DiffusionClassifier(AdversarialReward):
    """The reward ``drail``, see :class:`~nil_core.learning.adversarial.AdversarialReward`.

    Args:
        options: see :class:`DrailOptions`.
        spec: with a scene.

    Raises:
        ConfigError: actions are to be compared, and a tick has several.
        DataError: actions are to be compared, and the demonstrations have none.
    """

    name = "drail"
    options: DrailOptions
    discriminator: NoisePredictor

    def __init__(self, options: DrailOptions, spec: RewardSpec) -> None:
        if options.inputs == "actions" and spec.steps_per_tick > 1:
            raise ConfigError(
                f"reward.inputs=actions needs one action per tick, and there are {spec.steps_per_tick}",
                "set environment.tick_hz to environment.control_hz, or --set reward.inputs=states",
            )
        super().__init__(options, spec)
        draws, random = options.draws, torch.Generator().manual_seed(spec.seed)
        pairs = (draws + 1) // 2
        strata = (torch.arange(pairs) + 0.5) / pairs
        noise = torch.randn((pairs, self.expert.shape[1]), generator=random)
        self._shared_times = (strata * options.diffusion_steps).long().repeat(2)[:draws].to(self.device)
        self._shared_noise = torch.cat([noise, -noise])[:draws].to(self.device)

    def unit(self) -> str:
        """See the base class."""
        pair = "s, s'" if self.options.inputs == "states" else "s, a"
        if self.options.form == "expert":
            return f"-log(1 - D({pair}))"
        return f"log D({pair}) - log(1 - D({pair})) + {self.options.offset:g}"

    def demonstrated(self, demonstrations: Demonstrations) -> Floats:
        """(s, s') or (s, a) of every demonstrated transition."""
        if self.options.inputs == "states":
            return super().demonstrated(demonstrations)
        if demonstrations.actions is None:
            raise DataError(
                f"{self.options.demonstrations} has no actions, and reward.inputs=actions compares them",
                "--set reward.inputs=states, or record a policy: nil record RUN --out FILE",
            )
        if (stride := demonstrations.stride(self.hz)) != 1:
            raise DataError(
                f"{self.options.demonstrations} has {stride} actions per tick, and reward.inputs=actions compares one",
                f"--set environment.control_hz={demonstrations.hz:g} --set environment.tick_hz={demonstrations.hz:g}",
            )
        rows = demonstrations.pairs()
        states = self.features(demonstrations.qpos[rows], demonstrations.qvel[rows])
        return np.concatenate([states, demonstrations.actions[rows]], axis=1)

    def transition(self, before: Floats, after: Floats, tick: Tick) -> Floats:
        """(s, s') or (s, a) of a tick."""
        if self.options.inputs == "states":
            return super().transition(before, after, tick)
        return np.concatenate([before, tick.actions[0]])

    def network(self, size: int) -> nn.Module:
        """See the base class."""
        return NoisePredictor(size, self.options.hidden, self.options.diffusion_steps)

    def loss(self, expert: Tensor, agent: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross entropy of D = sigmoid(L_0 - L_1), with one time and one noise for each input; gradient penalty."""
        inputs = torch.cat([expert, agent])
        times, noise = self._draw(len(expert), len(agent))
        logits = self.discriminator.logits(inputs, times, noise)
        of_expert, of_agent = torch.split(logits, len(expert))
        chances = torch.split(torch.sigmoid(logits), len(expert))
        loss = logistic_loss(of_expert, of_agent)
        metrics = {"expert_score": chances[0].mean(), "agent_score": chances[1].mean()}
        if self.options.gradient_penalty:
            metrics["gradient_penalty"] = self._penalty_between(expert, agent)
            loss = loss + self.options.gradient_penalty / 2 * metrics["gradient_penalty"]
        return loss, metrics

    def _draw(self, *counts: int) -> tuple[Tensor, Tensor]:
        """A time, antithetic within each of the sides, and a noise for each of their inputs."""
        times = torch.cat([antithetic_times(count, self.options.diffusion_steps, self.generator) for count in counts])
        noise = torch.randn((sum(counts), self.expert.shape[1]), generator=self.generator)
        return times.to(self.device), noise.to(self.device)

    def _penalty_between(self, expert: Tensor, agent: Tensor) -> Tensor:
        """E |grad (L_0 - L_1)|^2 at random points on the lines from agent to expert."""
        share = torch.rand((len(expert), 1), generator=self.generator).to(self.device)
        times, noise = self._draw(len(expert))
        return gradient_penalty(
            lambda inputs: self.discriminator.logits(inputs, times, noise), torch.lerp(agent, expert, share)
        )

    def style_reward(self, inputs: Tensor) -> Tensor:
        """The form that the options name, averaged over draws of time and noise; log D - log(1 - D) is L_0 - L_1."""
        draws = self.options.draws
        times, noise = self._shared_draws(len(inputs)) if self.options.shared_draws else self._own_draws(inputs)
        logits = self.discriminator.logits(inputs.repeat_interleave(draws, 0), times, noise)
        by_draw = softplus(logits) if self.options.form == "expert" else logits + self.options.offset
        return by_draw.view(len(inputs), draws).mean(1)

    def _shared_draws(self, count: int) -> tuple[Tensor, Tensor]:
        """The same draws for all inputs: times evenly spread, and every noise with its opposite."""
        return self._shared_times.repeat(count), self._shared_noise.repeat(count, 1)

    def _own_draws(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Draws that are random from one input to the next, but the same for the same input.

        So an evaluation can be repeated, and it does not matter which inputs are scored together.
        """
        draws, size = self.options.draws, inputs.shape[1]
        times = np.empty((len(inputs), draws), np.int64)
        noise = np.empty((len(inputs), draws, size), np.float32)
        for row, at, by in zip(inputs.cpu().numpy(), times, noise, strict=True):
            random = np.random.default_rng([self.spec.seed, crc32(row.tobytes())])
            at[:] = random.integers(self.options.diffusion_steps, size=draws)
            by[:] = random.standard_normal((draws, size), np.float32)
        return (
            torch.from_numpy(times.ravel()).to(self.device),
            torch.from_numpy(noise.reshape(-1, size)).to(self.device),
        )
