"""What off-policy agents have in common: a warm-up, a replay buffer, gradient steps owed, exact saving."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from nil_core.errors import NumericalError
from nil_core.learning.graphed import Capture, Graphed, Outputs, cuda_graph
from nil_core.learning.replay import Batch, ReplayBuffer
from nil_core.learning.state import Part, load_state, save_state
from nil_core.learning.threads import cpu_threads
from nil_core.types import AgentSpec, Floats, Transitions

# Gradient steps whose transitions are gathered at once: more saves nothing, and a long update would fill the memory.
CHUNK = 32

REPLAY = "replay.safetensors"


class LearnerOptions(Protocol):
    """What :class:`ReplayLearner` reads of an agent's options.

    Attributes:
        batch: transitions in a gradient step.
        replay_ratio: gradient steps per environment step; fractions are kept.
        warmup: environment steps of uniformly random actions, before which nothing is learned.
        capacity: transitions remembered.
        replay_folder: where the replay buffer lies as a memory-mapped file; empty: in memory.
        threads: CPU threads for acting and learning.
        cuda_graphs: on a CUDA device, launch a gradient step as one graph.
    """

    @property
    def batch(self) -> int: ...
    @property
    def replay_ratio(self) -> float: ...
    @property
    def warmup(self) -> int: ...
    @property
    def capacity(self) -> int: ...
    @property
    def replay_folder(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def cuda_graphs(self) -> bool: ...


class ReplayLearner(ABC):
    """An :class:`nil_core.api.Agent` but for its algorithm, which a child gives.

    What makes it fast: a call of :meth:`update` gathers its transitions and draws its noise at once, and reads its
    metrics back once; on a CUDA device a gradient step is one launch.

    Args:
        options: of the child, who sets up its networks after this constructor.
        setting: the experiment.

    Attributes:
        name: what errors call it.
        metrics: names of what a gradient step reports.
        draws: (batch, act) draws of normal noise that a gradient step takes.
        acted: environment steps of exploring so far.
        capture: makes a gradient step one launch, if not None.
    """

    name: ClassVar[str]
    metrics: tuple[str, ...]
    draws: ClassVar[int]
    options: LearnerOptions

    def __init__(self, options: LearnerOptions, setting: AgentSpec) -> None:
        self.options, self.setting = options, setting
        self.device = torch.device(setting.device)
        self.generator = torch.Generator(self.device).manual_seed(setting.seed)
        sizes = setting.observation_size, setting.action_size
        self.replay = ReplayBuffer(options.capacity, *sizes, self.device, options.replay_folder)
        self.acted = 0
        self.owed = Fraction(0)
        self.capture: Capture | None = cuda_graph if self.device.type == "cuda" and options.cuda_graphs else None
        self._captured: Mapping[str, Part] = {}
        self._learn_from: Callable[[Tensor, Tensor], Outputs] = self._on_rows

    @abstractmethod
    def policy(self, observations: Tensor, explore: bool) -> Tensor:
        """Observations (N, obs) to actions (N, act)."""

    @abstractmethod
    def gradient_step(self, batch: Batch, noises: Tensor) -> tuple[Tensor, ...]:
        """Learn from a batch, without reading anything back from the device.

        Args:
            batch: B transitions.
            noises: (draws, B, act) from N(0, 1).

        Returns:
            a scalar for each of ``metrics``, still on the device.
        """

    @abstractmethod
    def parts(self) -> dict[str, Part]:
        """By name, everything that has a state, but for the generator, counters and the replay buffer."""

    def counters(self) -> dict[str, int]:
        """By attribute name, the integers of the child that :meth:`save` must keep."""
        return {}

    def act(self, observations: Floats, explore: bool) -> Floats:
        """Uniform actions during the warm-up, then those of the policy."""
        shape = len(observations), self.setting.action_size
        with torch.inference_mode(), cpu_threads(self.options.threads):
            if explore and self.acted < self.options.warmup:
                actions = torch.rand(shape, generator=self.generator, device=self.device) * 2 - 1
            else:
                actions = self.policy(torch.from_numpy(observations).to(self.device), explore)
        if explore:
            self.acted += len(observations)
        return actions.numpy(force=True)

    def observe(self, transitions: Transitions) -> None:
        """Remember the transitions."""
        self.replay.add(transitions)

    def update(self, steps: int) -> Mapping[str, float]:
        """``steps`` times the replay ratio gradient steps; none before a warm-up and a batch are remembered.

        Returns:
            the means of ``metrics`` over the gradient steps.

        Raises:
            NumericalError: one of them is not finite.
        """
        options = self.options
        if len(self.replay) < max(options.warmup, options.batch):
            return {}
        self.owed += steps * Fraction(str(options.replay_ratio))
        due = int(self.owed)
        self.owed -= due
        if due == 0:
            return {}
        with cpu_threads(options.threads):
            reports = [metric for done in range(0, due, CHUNK) for metric in self._learn(min(CHUNK, due - done))]
            means = torch.stack(reports).view(due, len(self.metrics)).mean(0).tolist()
        named = dict(zip(self.metrics, means, strict=True))
        if not all(map(math.isfinite, means)):
            raise NumericalError(
                f"{self.name} diverged: {', '.join(f'{name} {value:.3g}' for name, value in named.items())}",
                "Lower agent.learning_rate or agent.discount, and look for extreme rewards or observations.",
            )
        return named

    def _learn(self, count: int) -> Iterator[Tensor]:
        """Make ``count`` gradient steps, from one gather and one draw of noise; yields what they report."""
        size = self.options.batch
        batches = self.replay.sample(count, size, self.generator)
        noises = self.noise(count, self.draws, size, self.setting.action_size)
        step = self._step()
        for batch, noise in zip(batches, noises, strict=True):
            yield from step(batch.rows, noise)

    def _step(self) -> Callable[[Tensor, Tensor], Outputs]:
        """The gradient step of rows and noises; captured anew where a part has been replaced, as by a reset."""
        parts = self.parts()
        if any(part is not self._captured.get(name) for name, part in parts.items()):
            self._captured = parts
            if self.capture is not None:
                self._learn_from = Graphed(self._on_rows, self.capture)
        return self._learn_from

    def capture_anew(self) -> None:
        """Have the next gradient step captured again: a number that it holds has changed."""
        self._captured = {}

    def _on_rows(self, rows: Tensor, noises: Tensor) -> Outputs:
        return self.gradient_step(self.replay.batch(rows), noises)

    def noise(self, *shape: int) -> Tensor:
        """From N(0, 1)."""
        return torch.randn(shape, generator=self.generator, device=self.device)

    def save(self, folder: Path) -> None:
        """Write networks, optimizers, random state, counters and the replay buffer."""
        save_state(folder, self._stateful(), {"acted": self.acted, "owed": str(self.owed), **self.counters()})
        self.replay.save(folder / REPLAY)

    def load(self, folder: Path) -> None:
        """Restore what :meth:`save` wrote; acting and learning go on to the bit, acting also without the replay buffer.

        Raises:
            RunError: the folder holds something else, or sizes differ.
        """
        numbers = load_state(folder, self._stateful())
        if (folder / REPLAY).exists():
            self.replay.load(folder / REPLAY)
        self.acted, self.owed = int(numbers["acted"]), Fraction(numbers["owed"])
        for name in self.counters():
            setattr(self, name, int(numbers[name]))

    def _stateful(self) -> dict[str, Part]:
        return {**self.parts(), "generator": self.generator}
