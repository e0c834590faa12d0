"""Base class of off-policy agents: replay buffer, random actions at the start, replay ratio, exact saving."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from nil_core.errors import RunError
from nil_core.learning.divergence import checked_metrics
from nil_core.learning.flat_adam import FlatAdam
from nil_core.learning.graphed import Capture, GraphedCallable, Outputs, cuda_graph
from nil_core.learning.replay import Batch, ReplayBuffer
from nil_core.learning.state import Part, load_state, save_state
from nil_core.learning.threads import cpu_threads
from nil_core.types import AgentSpec, Floats, Transitions

# Gradient steps whose batches are gathered at once: more saves no time, and a long update would fill the memory.
GRADIENT_STEPS_PER_GATHER = 32

REPLAY = "replay.safetensors"


class OffPolicyOptions(Protocol):
    """Options of an agent that :class:`OffPolicyAgent` reads.

    Attributes:
        batch_size: transitions in a gradient step.
        replay_ratio: gradient steps per environment step; fractions are kept.
        learning_starts: environment steps with uniformly random actions, before the first gradient step.
        buffer_size: transitions in the replay buffer.
        replay_folder: folder for the replay buffer as a memory-mapped file; empty: in memory.
        threads: CPU threads for acting and learning.
        cuda_graphs: on a CUDA device, launch a gradient step as one graph.
    """

    @property
    def batch_size(self) -> int: ...
    @property
    def replay_ratio(self) -> float: ...
    @property
    def learning_starts(self) -> int: ...
    @property
    def buffer_size(self) -> int: ...
    @property
    def replay_folder(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def cuda_graphs(self) -> bool: ...


class OffPolicyAgent(ABC):
    """An :class:`nil_core.api.Agent` except for its networks and losses, which a subclass adds.

    For speed, a call of :meth:`update` gathers its batches and draws its noise at once, and reads its metrics back
    once; on a CUDA device a gradient step is one launch.

    Args:
        options: of the subclass, which creates its networks after this constructor.
        spec: sizes, seed and device.
        gamma: discount factor per control step.
        n_step: most steps of a return, see :class:`~nil_core.learning.ReplayBuffer`.

    Attributes:
        name: used in error messages.
        metrics: names of the values that a gradient step returns.
        noise_draws: (B, act) draws of normal noise that a gradient step takes.
        explored_steps: environment steps acted with exploration so far.
        pending_gradient_steps: fraction of a gradient step that the replay ratio has left over.
        capture: captures a gradient step as one launch; None: it is called as it is.
    """

    name: ClassVar[str]
    metrics: tuple[str, ...]
    noise_draws: ClassVar[int]
    options: OffPolicyOptions

    def __init__(self, options: OffPolicyOptions, spec: AgentSpec, gamma: float, n_step: int = 1) -> None:
        self.options, self.spec, self.gamma = options, spec, gamma
        self.device = torch.device(spec.device)
        self.generator = torch.Generator(self.device).manual_seed(spec.seed)
        sizes = spec.observation_size, spec.action_size
        self.replay = ReplayBuffer(options.buffer_size, *sizes, gamma, self.device, options.replay_folder, n_step)
        self.explored_steps = 0
        self.pending_gradient_steps = Fraction(0)
        self.capture: Capture | None = cuda_graph if self.device.type == "cuda" and options.cuda_graphs else None
        self._captured_parts: Mapping[str, Part] = {}
        self._step_function: Callable[[Tensor, Tensor], Outputs] = self._step_on_rows

    @abstractmethod
    def policy(self, observations: Tensor, explore: bool) -> Tensor:
        """Observations (N, obs) to actions (N, act)."""

    @abstractmethod
    def gradient_step(self, batch: Batch, noise: Tensor) -> tuple[Tensor, ...]:
        """Update all networks from a batch, without reading anything back from the device.

        Args:
            batch: B transitions.
            noise: (noise_draws, B, act) from N(0, 1).

        Returns:
            a scalar for each of ``metrics``, still on the device.
        """

    @abstractmethod
    def parts(self) -> dict[str, Part]:
        """Everything with a state, by name, except generator, counters and replay buffer."""

    def counters(self) -> dict[str, int]:
        """Integers of the subclass that :meth:`save` must keep, by attribute name."""
        return {}

    def act(self, observations: Floats, explore: bool) -> Floats:
        """Uniform actions in the first ``learning_starts`` steps, then those of the policy."""
        shape = len(observations), self.spec.action_size
        with torch.inference_mode(), cpu_threads(self.options.threads):
            if explore and self.explored_steps < self.options.learning_starts:
                actions = torch.rand(shape, generator=self.generator, device=self.device) * 2 - 1
            else:
                actions = self.policy(torch.from_numpy(observations).to(self.device), explore)
        if explore:
            self.explored_steps += len(observations)
        return actions.numpy(force=True)

    def observe(self, transitions: Transitions) -> None:
        """Add transitions to the replay buffer."""
        self.replay.add(transitions)

    def update(self, steps: int) -> Mapping[str, float]:
        """Make ``steps`` times the replay ratio gradient steps.

        None are made until the buffer holds ``learning_starts`` and ``batch_size`` transitions.

        Args:
            steps: environment steps.

        Returns:
            the means of ``metrics`` over the gradient steps; empty if there were none.

        Raises:
            NumericalError: one of them is not finite.
        """
        options = self.options
        if len(self.replay) < max(options.learning_starts, options.batch_size):
            return {}
        self.pending_gradient_steps += steps * Fraction(str(options.replay_ratio))
        due = int(self.pending_gradient_steps)
        self.pending_gradient_steps -= due
        if due == 0:
            return {}
        with cpu_threads(options.threads):
            values = [
                value
                for done in range(0, due, GRADIENT_STEPS_PER_GATHER)
                for value in self._learn(min(GRADIENT_STEPS_PER_GATHER, due - done))
            ]
            means = torch.stack(values).view(due, len(self.metrics)).mean(0).tolist()
        return checked_metrics(self.name, dict(zip(self.metrics, means, strict=True)))

    def _learn(self, count: int) -> Iterator[Tensor]:
        """Make ``count`` gradient steps, from one gather and one draw of noise; yields their metrics."""
        batch_size = self.options.batch_size
        batches = self.replay.sample(count, batch_size, self.generator)
        noises = self.noise(count, self.noise_draws, batch_size, self.spec.action_size)
        step = self._current_step()
        for batch, noise in zip(batches, noises, strict=True):
            yield from step(batch.rows, noise)

    def _current_step(self) -> Callable[[Tensor, Tensor], Outputs]:
        """The gradient step of rows and noise; captured again if a part has been replaced, as by a reset."""
        parts = self.parts()
        if any(part is not self._captured_parts.get(name) for name, part in parts.items()):
            self._captured_parts = parts
            if self.capture is not None:
                self._step_function = GraphedCallable(self._step_on_rows, self.capture)
        return self._step_function

    def set_learning_rate(self, optimizers: Iterable[FlatAdam], learning_rate: float) -> None:
        """Set the learning rate of optimizers; a captured gradient step is captured again if one changes."""
        for optimizer in optimizers:
            if optimizer.learning_rate != learning_rate:
                optimizer.learning_rate = learning_rate
                self._captured_parts = {}

    def _step_on_rows(self, rows: Tensor, noise: Tensor) -> Outputs:
        return self.gradient_step(self.replay.batch(rows), noise)

    def noise(self, *shape: int) -> Tensor:
        """Draw noise from N(0, 1)."""
        return torch.randn(shape, generator=self.generator, device=self.device)

    def save(self, folder: Path) -> None:
        """Write networks, optimizers, random state, counters and the replay buffer."""
        counters = {
            "explored_steps": self.explored_steps,
            "pending_gradient_steps": str(self.pending_gradient_steps),
            **self.counters(),
        }
        save_state(folder, self._saved_parts(), counters)
        self.replay.save(folder / REPLAY)

    def load(self, folder: Path) -> None:
        """Restore what :meth:`save` wrote, so that acting and learning continue bit for bit.

        Without the file of the replay buffer, only acting can continue.

        Raises:
            RunError: the folder holds something else, or sizes differ.
        """
        counters = load_state(folder, self._saved_parts())
        if (folder / REPLAY).exists():
            self.replay.load(folder / REPLAY)
        try:
            self.explored_steps = int(counters["explored_steps"])
            self.pending_gradient_steps = Fraction(counters["pending_gradient_steps"])
            for name in self.counters():
                setattr(self, name, int(counters[name]))
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise RunError(
                f"the counters in {folder} are damaged: {error}", "Resume from another checkpoint."
            ) from None

    def _saved_parts(self) -> dict[str, Part]:
        return {**self.parts(), "generator": self.generator}
