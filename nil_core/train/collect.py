"""Collection of experience for training and evaluation: act, simulate, score.

While worker processes simulate a step, this process scores the previous steps, and the agent learns from them. The
order of operations depends on step counts alone, never on the clock, so equal runs give equal numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from nil_core.errors import NumericalError
from nil_core.interfaces import Reward
from nil_core.sim.buffers import StepBuffers
from nil_core.sim.environment import State
from nil_core.storage.array_names import prefixed, under
from nil_core.tick import Arrays, Tick, pack, unpack
from nil_core.train.stopwatch import Stopwatch
from nil_core.types import Floats

Policy = Callable[[Floats], Floats]
"""float32 (N, obs) to float32 (N, act) in [-1, 1]."""

OnTicks = Callable[[Sequence[Tick]], None]
"""Called with every scored tick once, in the order they finished, including ticks that begin an episode."""


class VectorEnvLike(Protocol):
    """N environments that step together: :class:`nil_core.sim.vector_env.VectorEnv`, or a task's own."""

    num_envs: int

    def reset(self) -> StepBuffers: ...
    def send(self, actions: Floats) -> None: ...
    def receive(self) -> StepBuffers: ...
    def state(self) -> State: ...
    def restore(self, states: State) -> None: ...


class Collector:
    """Steps N environments and gathers what happens into ticks.

    Args:
        env: the environments.
        reward: scores ticks.
        score_ticks: ticks of all environments to score in one batch.
        watch: measures the time of each part.

    Attributes:
        observations: float32 (N, obs), to act on next.
        episodes_ended: bool (N,), whether an episode has ended in each environment since :meth:`start`.
    """

    def __init__(
        self, env: VectorEnvLike, reward: Reward, score_ticks: int = 1, watch: Stopwatch | None = None
    ) -> None:
        self._env = env
        self._reward = reward
        self._score_ticks = score_ticks
        self._watch = watch or Stopwatch()
        self._running: list[Tick | None] = [None] * env.num_envs
        self._waiting: list[Tick] = []  # finished ticks and beginnings of episodes, not yet scored
        self.observations: Floats = np.empty((env.num_envs, 0), np.float32)
        self.episodes_ended = np.zeros(env.num_envs, np.bool_)

    def start(self) -> None:
        """Begin the first episodes."""
        buffers = self._env.reset()
        self.episodes_ended[:] = False
        self._running = [None] * self._env.num_envs
        self._waiting = [_beginning(i, buffers) for i in range(self._env.num_envs)]
        self.observations = buffers.observations.copy()

    def step(self, policy: Policy, on_ticks: OnTicks) -> None:
        """One control step of every environment; ``on_ticks`` runs while they simulate.

        Raises:
            NumericalError: a reward that is not finite.
        """
        with self._watch.timing("act"):
            actions = policy(self.observations)
        with self._watch.timing("wait"):  # with few cores, a worker that wakes up takes this process's core
            self._env.send(actions)
        try:
            if sum(not tick.begins for tick in self._waiting) >= self._score_ticks:
                self.score(on_ticks)
        finally:  # also after an error: an unread result would be taken for that of the next step
            with self._watch.timing("wait"):
                buffers = self._env.receive()
        self._record_step(np.asarray(actions, np.float32), buffers)

    def score(self, on_ticks: OnTicks) -> None:
        """Score all waiting ticks and pass them on."""
        with self._watch.timing("encode"):
            self._score()
        scored, self._waiting = self._waiting, []
        on_ticks(scored)

    def _score(self) -> None:
        self._reward.score(self._waiting)
        bad = [tick for tick in self._waiting if not tick.begins and not np.isfinite(tick.reward)]
        if bad:
            names = sorted({name for tick in bad for name, value in tick.terms.items() if not np.isfinite(value)})
            raise NumericalError(f"the reward is not a number ({', '.join(names) or 'total'})")

    def _record_step(self, actions: Floats, buffers: StepBuffers) -> None:
        for i in range(self._env.num_envs):
            tick = _extended(self._running[i], i, self.observations[i], actions[i], buffers)
            self._running[i] = tick
            if buffers.ticked[i]:
                _finish(tick, buffers)
                self._waiting.append(tick)
                self._running[i] = None
                if buffers.ended[i]:
                    self._waiting.append(_beginning(i, buffers))
        self.episodes_ended |= buffers.ended
        self.observations = buffers.observations.copy()
        physics, render = buffers.busy.sum(axis=0)
        self._watch.add("physics", physics)
        self._watch.add("render", render)

    def state(self) -> Arrays:
        """Running and waiting ticks and the current observations, as arrays."""
        running = [tick for tick in self._running if tick is not None]
        ticks = prefixed("running", pack(running)) | prefixed("waiting", pack(self._waiting))
        return ticks | {"observations": self.observations}

    def restore(self, state: Arrays) -> None:
        """Restore a saved :meth:`state`."""
        self._running = [None] * self._env.num_envs
        for tick in unpack(under("running", state)):
            self._running[tick.env] = tick
        self._waiting = unpack(under("waiting", state))
        self.observations = state["observations"].astype(np.float32)


def _beginning(i: int, buffers: StepBuffers) -> Tick:
    """The tick that begins an episode."""
    none = slice(0, 0)
    tick = Tick(
        env=i,
        index=int(buffers.start_tick[i]),
        qpos=buffers.start_qpos[i].copy(),
        qvel=buffers.start_qvel[i].copy(),
        **_steps(none, buffers.observations[none], buffers.actions[none], buffers),
    )
    if buffers.drawn:
        tick.frame, tick.mask = buffers.start_frames[i].copy(), buffers.start_masks[i].copy()
    return tick


def _extended(tick: Tick | None, i: int, observation: Floats, action: Floats, buffers: StepBuffers) -> Tick:
    """A running tick with one more control step, or a new one."""
    rows = _steps(slice(i, i + 1), observation[None], action[None], buffers)
    if tick is None:
        return Tick(env=i, index=0, qpos=buffers.qpos[i], qvel=buffers.qvel[i], **rows)
    for name, row in rows.items():
        setattr(tick, name, np.concatenate([getattr(tick, name), row]))
    return tick


def _steps(at: slice, observations: Floats, actions: Floats, buffers: StepBuffers) -> dict[str, Any]:
    """The fields of :data:`nil_core.tick.STEP_FIELDS`, copied from rows of the buffers."""
    rows = {
        "observations": observations,
        "actions": actions,
        "next_observations": buffers.final_observations[at],
        "terminated": buffers.terminated[at],
        "truncated": buffers.truncated[at],
        "state_terms": buffers.state_terms[at],
        "speed": buffers.speed[at],
        "environment_reward": buffers.environment_reward[at],
    }
    return {name: row.copy() for name, row in rows.items()}


def _finish(tick: Tick, buffers: StepBuffers) -> None:
    """Complete a tick with its index, state, frame and mask."""
    i = tick.env
    tick.index = int(buffers.tick[i])
    tick.qpos, tick.qvel = buffers.qpos[i].copy(), buffers.qvel[i].copy()
    if buffers.drawn:
        tick.frame, tick.mask = buffers.frames[i].copy(), buffers.masks[i].copy()
