"""Memory shared by environments and the process that steps them: results of a step, and states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from nil_core.sim.environment import ImitationEnvironment, State
from nil_core.types import Doubles, Flags, Floats, Frames, Masks

STATE_BUFFERS = 2

Layout = dict[str, tuple[tuple[int, ...], npt.DTypeLike]]
"""Name to shape and dtype."""


@dataclass(frozen=True)
class StepBuffers:
    """The results of N environments after a step, each array with a leading N. Valid until the next step.

    Attributes:
        actions: float32 (N, nu), input.
        observations: float32 (N, obs), to act on next: after a reset where an episode ended.
        final_observations: float32 (N, obs), before that reset; equal to ``observations`` elsewhere.
        terminated, truncated: bool (N,), the episode ended in a fall, or at the end of the reference.
        ticked: bool (N,), this step ended a tick (an episode's end always does), and ``frames`` are new.
        tick: int64 (N,), which tick it was, 1 ... ticks.
        frames, masks: uint8 (N, S, S, 3) and bool (N, S, S), at the end of the tick.
        start_frames, start_masks: the same, at the start of the episode; new after an end.
        start_tick: int64 (N,), the tick of that start, 0 for a start at rest; new after an end.
        state_terms: float32 (N, terms), of the reward, in the reward's order.
        speed: float32 (N,), forward speed of the root in m/s.
        environment_reward: float32 (N,).
        qpos, qvel: float64 (N, nq) and (N, nv), after the step, before any reset.
        start_qpos, start_qvel: the same, at the start of the running episode.
        busy: float64 (N, 2), seconds spent in physics and in rendering.
    """

    actions: Floats
    observations: Floats
    final_observations: Floats
    terminated: Flags
    truncated: Flags
    ticked: Flags
    tick: npt.NDArray[np.int64]
    frames: Frames
    masks: Masks
    start_frames: Frames
    start_masks: Masks
    start_tick: npt.NDArray[np.int64]
    state_terms: Floats
    speed: Floats
    environment_reward: Floats
    qpos: Doubles
    qvel: Doubles
    start_qpos: Doubles
    start_qvel: Doubles
    busy: Doubles

    @property
    def ended(self) -> Flags:
        """bool (N,): the episode is over."""
        return self.terminated | self.truncated

    @property
    def drawn(self) -> bool:
        """Whether frames and masks are rendered; otherwise they are empty."""
        return self.frames.size > 0

    @classmethod
    def zeros(cls, layout: Layout) -> StepBuffers:
        """Buffers of a layout in memory of their own, all 0."""
        return cls(**{field.name: np.zeros(*layout[field.name]) for field in fields(cls)})

    def part(self, which: slice) -> StepBuffers:
        """The same arrays for some of the environments, as views."""
        return StepBuffers(*(getattr(self, f.name)[which] for f in fields(self)))


@dataclass(frozen=True)
class SharedBuffers:
    """Memory for the buffers and states of N environments, which worker processes can share.

    There are two buffers of states, used alternately: the states after a step do not overwrite those before it, so that
    an interrupted step can be repeated. They cost 1 to 3 kB for each environment and buffer; a frame of 128 px with its
    mask is 64 kB.

    Attributes:
        layout: name to shape and dtype.
        arrays: name to bytes.
    """

    layout: Layout
    arrays: dict[str, Any]

    @classmethod
    def reserve(
        cls, like: ImitationEnvironment, num_envs: int, terms: int, render: bool, allocate: Callable[[int], Any]
    ) -> SharedBuffers:
        """Allocate memory for N environments like ``like``; ``allocate`` returns the given number of bytes, all 0."""
        scene, observations = like.env_spec.scene, like.task_.observer.size
        model, size = scene.model, scene.render_size if render else 0
        layout = step_layout(num_envs, model.nu, observations, size, terms, model.nq, model.nv)
        layout["states"] = ((STATE_BUFFERS, num_envs), like.state_type)
        arrays = {
            name: allocate(max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize))
            for name, (shape, dtype) in layout.items()
        }
        return cls(layout, arrays)

    def step_buffers(self) -> StepBuffers:
        """The buffers of a step, as views."""
        return StepBuffers(**{field.name: self._view(field.name) for field in fields(StepBuffers)})

    def states(self) -> State:
        """States (state buffers, N), as a view."""
        return self._view("states")

    def _view(self, name: str) -> npt.NDArray[Any]:
        shape, dtype = self.layout[name]
        return np.frombuffer(self.arrays[name], dtype, int(np.prod(shape))).reshape(shape)


def step_layout(
    num_envs: int, actions: int, observations: int, size: int = 0, terms: int = 0, nq: int = 0, nv: int = 0
) -> Layout:
    """The buffers of a step.

    Args:
        num_envs: N.
        actions, observations: lengths of an action and of an observation.
        size: S, of a frame; 0 without rendering.
        terms: number of the reward's state terms.
        nq, nv: lengths of positions and velocities.
    """
    each: Layout = {
        "actions": ((actions,), np.float32),
        "observations": ((observations,), np.float32),
        "final_observations": ((observations,), np.float32),
        "terminated": ((), np.bool_),
        "truncated": ((), np.bool_),
        "ticked": ((), np.bool_),
        "tick": ((), np.int64),
        "frames": ((size, size, 3), np.uint8),
        "masks": ((size, size), np.bool_),
        "start_frames": ((size, size, 3), np.uint8),
        "start_masks": ((size, size), np.bool_),
        "start_tick": ((), np.int64),
        "state_terms": ((terms,), np.float32),
        "speed": ((), np.float32),
        "environment_reward": ((), np.float32),
        "qpos": ((nq,), np.float64),
        "qvel": ((nv,), np.float64),
        "start_qpos": ((nq,), np.float64),
        "start_qvel": ((nv,), np.float64),
        "busy": ((2,), np.float64),
    }
    return {name: ((num_envs, *shape), dtype) for name, (shape, dtype) in each.items()}
