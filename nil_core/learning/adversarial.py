"""Base class of rewards that learn to tell the agent's transitions from demonstrated ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nil_core.card import AdversarialOptions
from nil_core.demonstrations.features import StateFeatures
from nil_core.demonstrations.recordings import read_any
from nil_core.demonstrations.trajectories import Demonstrations
from nil_core.errors import ConfigError, NumericalError, RunError
from nil_core.interfaces import TermRow
from nil_core.learning.discriminator import squared_weights
from nil_core.learning.feature_replay import FeatureReplay
from nil_core.learning.flat_adam import FlatAdam
from nil_core.learning.normalizer import RunningNormalizer
from nil_core.learning.state import Part, part_arrays, restore_arrays
from nil_core.learning.threads import cpu_threads
from nil_core.storage.array_names import prefixed, under
from nil_core.tick import Arrays, Tick
from nil_core.types import Doubles, Floats, RewardSpec

_HINT = "resume with the options, robot and demonstrations of the saved run"


class AdversarialReward(ABC):
    """A :class:`nil_core.api.LearnedReward` except for its network, its loss and its style reward.

    A transition is the states at two consecutive ticks, in the features of :class:`~nil_core.api.StateFeatures`; a
    subclass may put something else beside the first state. The reward of a tick is
    ``(1 - task_share) * style_scale * style + task_share * exp(-(v - target_speed)^2)``, v its mean forward speed.

    After every ``update_every`` ticks, ``gradient_steps`` steps of Adam are made, each on ``batch_size`` demonstrated
    transitions and as many of the newest ``replay_size`` of the agent. Inputs are normalized by the running statistics
    of both. A tick that a fall cut short is scored, but not learned from.

    Args:
        options: see :class:`nil_core.api.AdversarialOptions`.
        spec: with a scene.

    Raises:
        ConfigError: there is no robot.
        DataError: demonstrations that cannot be read, or of another robot or rate.
    """

    name: ClassVar[str]
    """As on the command line."""

    needs: frozenset[str] = frozenset()
    state_terms: tuple[Any, ...] = ()

    def __init__(self, options: AdversarialOptions, spec: RewardSpec) -> None:
        if spec.scene is None:
            raise ConfigError(
                f"the reward {self.name} compares states of a robot, and there is none", "--reward environment"
            )
        self.options, self.spec = options, spec
        self.hz = spec.reference.tick_hz
        demonstrations = read_any(options.demonstrations.expanduser(), spec.scene, self.hz)
        self.features = StateFeatures(spec.scene.spec, spec.scene.model)
        self.expert = torch.from_numpy(self.demonstrated(demonstrations))
        self.device = torch.device(spec.device)
        size = self.expert.shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.seed)
            self.discriminator = self.network(size).to(self.device)
        self.normalizer = RunningNormalizer(size)
        self.normalizer.update(self.expert)
        self.optimizer = FlatAdam(self.discriminator.parameters(), options.learning_rate)
        self.generator = torch.Generator().manual_seed(spec.seed)
        self._replay = FeatureReplay(options.replay_size, size)
        self._previous = np.zeros((spec.num_envs, self.features.size), np.float32)
        self._newest = np.zeros((0, size), np.float32)  # inputs of the newest call of score
        self._ticks = 0  # since the last update

    @abstractmethod
    def network(self, size: int) -> nn.Module:
        """The discriminator of inputs (B, size), with parameters from torch's random state."""

    @abstractmethod
    def loss(self, expert: Tensor, agent: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of normalized inputs (B, size) of both sides, without weight decay, and scalars to log."""

    @abstractmethod
    def style_reward(self, inputs: Tensor) -> Tensor:
        """The learned part of the reward, (B,), of normalized inputs (B, size); each depends on its own input alone."""

    @abstractmethod
    def unit(self) -> str:
        """What the learned part is, for the table of the reward: a formula."""

    def demonstrated(self, demonstrations: Demonstrations) -> Floats:
        """Inputs (M, size) of every demonstrated transition."""
        return np.concatenate(self.features.pairs(demonstrations, self.hz), axis=1)

    def transition(self, before: Floats, after: Floats, tick: Tick) -> Floats:
        """The input (size,) of a tick, of the features at its beginning and end."""
        return np.concatenate([before, after])

    def rows(self) -> list[TermRow]:
        """The learned part and, if it has a share, the task."""
        share = self.options.task_share
        rows = [TermRow("S", "style", (1 - share) * self.options.style_scale, self.unit())]
        if share:
            speed = self.options.target_speed
            rows.append(TermRow("R", "task", share, f"exp(-(v - {speed:g} m/s)^2) of the forward speed v"))
        return rows

    def score(self, ticks: Sequence[Tick]) -> None:
        """Set reward, terminal value and terms of ticks, given in the order they happened in each environment."""
        if not ticks:
            self._newest = self._newest[:0]
            return
        states = self.features(np.stack([tick.qpos for tick in ticks]), np.stack([tick.qvel for tick in ticks]))
        inputs = []
        for tick, state in zip(ticks, states, strict=True):
            if not tick.begins:
                inputs.append(self.transition(self._previous[tick.env], state, tick))
            self._previous[tick.env] = state
        self._newest = np.array(inputs, np.float32).reshape(len(inputs), self.expert.shape[1])
        ended = [tick for tick in ticks if not tick.begins]
        for tick, style in zip(ended, self._styles(self._newest), strict=True):
            self._set(tick, float(style))

    def _styles(self, inputs: Floats) -> Floats:
        if not len(inputs):
            return np.zeros(0, np.float32)
        with cpu_threads(self.options.threads), torch.no_grad():
            normalized = self.normalizer(torch.from_numpy(inputs)).to(self.device)
            styles: Floats = self.style_reward(normalized).cpu().numpy()
            return styles

    def _set(self, tick: Tick, style: float) -> None:
        options, share = self.options, self.options.task_share
        tick.terms = {"style": style}
        tick.reward = (1 - share) * options.style_scale * style
        if share:
            tick.terms["task"] = float(np.exp(-((tick.speed.mean() - options.target_speed) ** 2)))
            tick.reward += share * tick.terms["task"]
        tick.terminal_value = options.terminal_value

    def learn(self, ticks: Sequence[Tick]) -> Mapping[str, float]:
        """Remember the transitions that were scored last, and make the gradient steps that are due.

        Raises:
            NumericalError: a loss that is not finite.
        """
        ended = [tick for tick in ticks if not tick.begins]
        if len(ended) != len(self._newest):
            raise ValueError("learn() takes the ticks of the newest score()")
        whole = self._newest[[tick.steps == self.spec.steps_per_tick for tick in ended]]
        with cpu_threads(self.options.threads):
            self.normalizer.update(torch.from_numpy(whole))
            self._replay.add(whole)
            self._ticks += len(ended)
            updates, self._ticks = divmod(self._ticks, self.options.update_every)
            steps = updates * self.options.gradient_steps if len(self._replay) else 0
            return _means([self._gradient_step() for _ in range(steps)])

    def _gradient_step(self) -> dict[str, Tensor]:
        count = self.options.batch_size
        drawn = torch.randint(len(self.expert), (count,), generator=self.generator)
        both = torch.cat([self.expert[drawn], self._replay.sample(count, self.generator)])
        expert, agent = self.normalizer(both).to(self.device).split(count)
        loss, metrics = self.loss(expert, agent)
        if self.options.weight_decay:
            loss = loss + self.options.weight_decay / 2 * squared_weights(self.discriminator)
        self.optimizer.minimize(loss)
        return {"discriminator_loss": loss.detach(), **{name: value.detach() for name, value in metrics.items()}}

    @property
    def _learned(self) -> dict[str, Part]:
        return {"discriminator": self.discriminator, "normalizer": self.normalizer}

    @property
    def _parts(self) -> dict[str, Part]:
        return {**self._learned, "optimizer": self.optimizer, "random": self.generator}

    def learned(self) -> Arrays:
        """Parameters of the discriminator, and the statistics that inputs are normalized by."""
        return part_arrays(self._learned)

    def adopt(self, learned: Arrays) -> None:
        """Score as the reward does that gave it."""
        restore_arrays(self._learned, learned, f"the reward {self.name}")

    def state(self) -> Arrays:
        """Everything: the learned parts, the optimizer, the agent's transitions, random state, running episodes."""
        episodes = {
            "features": self._previous.copy(),
            "ticks": np.array(self._ticks),
            "demonstrated": self._mark(),
        }
        parts, replay = part_arrays(self._parts), self._replay.state()
        return prefixed("parts", parts) | prefixed("replay", replay) | prefixed("episodes", episodes)

    def restore(self, state: Arrays) -> None:
        """Restore a saved :meth:`state`.

        Raises:
            RunError: it is of other options, another robot or other demonstrations.
        """
        episodes = under("episodes", state)
        if not _alike(episodes["demonstrated"], self._mark()):
            raise RunError(f"{self.options.demonstrations} holds other demonstrations than the run began with", _HINT)
        restore_arrays(self._parts, under("parts", state), f"the reward {self.name}")
        self._replay.restore(under("replay", state))
        self._previous[:] = episodes["features"]
        self._ticks = int(episodes["ticks"])

    def _mark(self) -> Doubles:
        """float64 (1 + size,), which tells demonstrations apart: their number and mean."""
        return np.array([len(self.expert), *self.expert.numpy().mean(axis=0, dtype=np.float64)])


def _alike(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    """Whether two marks are of the same demonstrations; another machine may round differently."""
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=1e-4, atol=1e-4))


def _means(steps: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
    """Mean of each scalar over gradient steps, read from the device at once.

    Raises:
        NumericalError: one is not finite.
    """
    if not steps:
        return {}
    values = torch.stack([torch.stack(list(step.values())) for step in steps]).mean(0).tolist()
    means = dict(zip(steps[0], values, strict=True))
    if bad := [name for name, value in means.items() if not np.isfinite(value)]:
        raise NumericalError(f"the reward's {', '.join(bad)} is not a number")
    return means
