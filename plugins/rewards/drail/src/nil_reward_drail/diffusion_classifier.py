"""The diffusion classifier of DRAIL and the reward it gives."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from nil_core.api import ConfigError, DataError, Demonstrations, Floats, RewardSpec, Tick
from nil_core.learning import logistic_loss
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
    discriminator: NoisePredictor

    def __init__(self, options: DrailOptions, spec: RewardSpec) -> None:
        self._options = options
        self._seed = spec.seed
        if options.inputs == "actions" and spec.steps_per_tick > 1:
            raise ConfigError(
                f"reward.inputs=actions needs one action per tick, and there are {spec.steps_per_tick}",
                "set environment.tick_hz to environment.control_hz, or --set reward.inputs=states",
            )
        super().__init__(options, spec)

    def unit(self) -> str:
        """See the base class."""
        pair = "s, s'" if self._options.inputs == "states" else "s, a"
        if self._options.form == "expert":
            return f"-log(1 - D({pair}))"
        return f"log D({pair}) - log(1 - D({pair})) + {self._options.offset:g}"

    def demonstrated(self, demonstrations: Demonstrations) -> Floats:
        """(s, s') or (s, a) of every demonstrated transition."""
        if self._options.inputs == "states":
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
        if self._options.inputs == "states":
            return super().transition(before, after, tick)
        return np.concatenate([before, tick.actions[0]])

    def network(self, size: int) -> nn.Module:
        """See the base class."""
        return NoisePredictor(size, self._options.hidden, self._options.diffusion_steps)

    def loss(self, expert: Tensor, agent: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross entropy of D = sigmoid(L_0 - L_1), with one time and one noise for each input."""
        inputs = torch.cat([expert, agent])
        times = [antithetic_times(len(side), self._options.diffusion_steps, self.generator) for side in (expert, agent)]
        noise = torch.randn(inputs.shape, generator=self.generator)
        logits = self.discriminator.logits(inputs, torch.cat(times).to(self.device), noise.to(self.device))
        of_expert, of_agent = torch.split(logits, len(expert))
        chances = torch.split(torch.sigmoid(logits), len(expert))
        return logistic_loss(of_expert, of_agent), {
            "expert_score": chances[0].mean(),
            "agent_score": chances[1].mean(),
        }

    def style_reward(self, inputs: Tensor) -> Tensor:
        """The form that the options name, averaged over draws of time and noise; log D - log(1 - D) is L_0 - L_1.

        Draws are random from one input to the next, but the same for the same input: so an evaluation can be repeated,
        and it does not matter which inputs are scored together.
        """
        draws, size = self._options.draws, inputs.shape[1]
        times = np.empty((len(inputs), draws), np.int64)
        noise = np.empty((len(inputs), draws, size), np.float32)
        for row, at, by in zip(inputs.cpu().numpy(), times, noise, strict=True):
            random = np.random.default_rng([self._seed, crc32(row.tobytes())])
            at[:] = random.integers(self._options.diffusion_steps, size=draws)
            by[:] = random.standard_normal((draws, size), np.float32)
        logits = self.discriminator.logits(
            inputs.repeat_interleave(draws, 0),
            torch.from_numpy(times.ravel()).to(self.device),
            torch.from_numpy(noise.reshape(-1, size)).to(self.device),
        )
        by_draw = softplus(logits) if self._options.form == "expert" else logits + self._options.offset
        return by_draw.view(len(inputs), draws).mean(1)
