"""What happened in one environment from one drawn frame to the next: what is scored, learned from and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from nil_core.types import Doubles, Flags, Floats, Frames, Masks, Transitions

Arrays = dict[str, npt.NDArray[Any]]


@dataclass
class Tick:
    """k control steps of one environment, and what is seen at their end.

    A tick of no steps begins an episode: its frame is the episode's first. Such a tick gets no reward.

    Attributes:
        env: which environment.
        index: the row of the reference that its end is compared with.
        observations: float32 (k, obs).
        actions: float32 (k, act), in [-1, 1].
        next_observations: float32 (k, obs); the last one before any reset.
        terminated: bool (k,), true where the episode ended in a fall; at most the last is.
        truncated: bool (k,), true where the episode ended at its time limit; at most the last is.
        state_terms: float32 (k, terms), the reward's state terms after each control step, in the reward's order.
        speed: float32 (k,), forward speed of the root in m/s.
        environment_reward: float32 (k,), the task's own reward.
        qpos: float64 (nq,), positions at the end; empty for a task that is no robot.
        qvel: float64 (nv,), velocities at the end, of the root linear in the world's frame and angular in its own;
            likewise.
        frame: uint8 (S, S, 3), robot on black; None where nothing is drawn.
        mask: bool (S, S); None where nothing is drawn.
        reward: the reward of each of its transitions, once scored.
        terminal_value: added to the reward of the transition that falls.
        terms: what the reward consists of, by name: similarities unscaled, regularizers weighted.
    """

    env: int
    index: int
    observations: Floats
    actions: Floats
    next_observations: Floats
    terminated: Flags
    truncated: Flags
    state_terms: Floats
    speed: Floats
    environment_reward: Floats
    qpos: Doubles
    qvel: Doubles = field(default_factory=lambda: np.empty(0))
    frame: Frames | None = None
    mask: Masks | None = None
    reward: float = float("nan")
    terminal_value: float = 0.0
    terms: dict[str, float] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """k, the control steps; 0 where an episode begins."""
        return len(self.actions)

    @property
    def begins(self) -> bool:
        """Whether an episode begins here."""
        return self.steps == 0

    @property
    def fell(self) -> bool:
        """Whether the episode ended here in a fall."""
        return bool(self.terminated.any())

    @property
    def ended(self) -> bool:
        """Whether the episode ended here."""
        return self.fell or bool(self.truncated.any())


STEP_FIELDS = (
    "observations",
    "actions",
    "next_observations",
    "terminated",
    "truncated",
    "state_terms",
    "speed",
    "environment_reward",
)
"""Fields with a row for each control step."""

STATE_FIELDS = ("qpos", "qvel")
"""Fields of the state at the end."""


def transitions(ticks: Sequence[Tick]) -> Transitions:
    """The transitions of scored ticks, in order; the reward of a tick goes to each of its transitions."""
    steps = [tick.steps for tick in ticks]
    terminated = np.concatenate([tick.terminated for tick in ticks])
    rewards = np.repeat(np.array([tick.reward for tick in ticks], np.float32), steps)
    terminal = np.repeat(np.array([tick.terminal_value for tick in ticks], np.float64), steps)
    return Transitions(
        observations=np.concatenate([tick.observations for tick in ticks]),
        actions=np.concatenate([tick.actions for tick in ticks]),
        rewards=(rewards + terminal * terminated).astype(np.float32),
        next_observations=np.concatenate([tick.next_observations for tick in ticks]),
        terminations=terminated,
        truncations=np.concatenate([tick.truncated for tick in ticks]),
        envs=np.repeat(np.array([tick.env for tick in ticks], np.int32), steps),
    )


def pack(ticks: Sequence[Tick]) -> Arrays:
    """Unscored ticks as arrays that npz can hold; empty for none."""
    if not ticks:
        return {}
    arrays: Arrays = {name: np.array([getattr(tick, name) for tick in ticks]) for name in ("env", "index", "steps")}
    arrays |= {name: np.concatenate([getattr(tick, name) for tick in ticks]) for name in STEP_FIELDS}
    arrays |= {name: np.stack([getattr(tick, name) for tick in ticks]) for name in STATE_FIELDS}
    for name in ("frame", "mask"):
        pictures = [getattr(tick, name) for tick in ticks]
        arrays[f"has_{name}"] = np.array([picture is not None for picture in pictures])
        drawn = [picture for picture in pictures if picture is not None]
        if drawn:
            arrays[name] = np.stack(drawn)
    return arrays


def unpack(arrays: Arrays) -> list[Tick]:
    """Back from :func:`pack`."""
    if not arrays:
        return []
    bounds = np.cumsum(arrays["steps"])[:-1]
    rows = {name: np.split(arrays[name], bounds) for name in STEP_FIELDS}
    pictures = {name: iter(arrays.get(name, ())) for name in ("frame", "mask")}
    ticks = []
    for i in range(len(arrays["env"])):
        drawn: dict[str, Any] = {name: next(pictures[name]) if arrays[f"has_{name}"][i] else None for name in pictures}
        steps: dict[str, Any] = {name: rows[name][i] for name in STEP_FIELDS}
        state: dict[str, Any] = {name: arrays[name][i] for name in STATE_FIELDS}
        ticks.append(Tick(int(arrays["env"][i]), int(arrays["index"][i]), **steps, **state, **drawn))
    return ticks
