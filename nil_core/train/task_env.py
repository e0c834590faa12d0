"""dm_env and gymnasium tasks as environments of the training loop: the task's own reward, no rendering."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from nil_core.errors import DataError, NumericalError
from nil_core.sim.buffers import StepBuffers, step_layout
from nil_core.types import Floats

MakeEnvironment = Callable[[int], Any]
"""A seed to a ``dm_env.Environment`` or ``gymnasium.Env`` whose episodes are determined by the seed alone."""


class FlatEnvironment:
    """Wrapper of a task with one float32 observation vector and one action vector in [-1, 1].

    Args:
        environment: a ``dm_env.Environment`` whose observations are numbers or arrays by name, or one array, and whose
            action is one bounded array; or a ``gymnasium.Env`` of such spaces.
        seed: passed to gymnasium's ``reset``; a dm_env environment was made with it.

    Attributes:
        observation_size, action_size: lengths of the vectors.
        layout: name to where it lies in an observation, of environments whose observations have names.

    Raises:
        DataError: an action without finite bounds.
    """

    def __init__(self, environment: Any, seed: int = 0) -> None:
        self._environment = environment
        self._gymnasium = hasattr(environment, "action_space")
        self._seed = seed
        if self._gymnasium:
            space = environment.action_space
            shape, self._dtype, low, high = space.shape, space.dtype, space.low, space.high
        else:
            space = environment.action_spec()
            shape, self._dtype = space.shape, space.dtype
            low, high = getattr(space, "minimum", -np.inf), getattr(space, "maximum", np.inf)
        self._shape = shape
        self._low = np.broadcast_to(low, shape).ravel().astype(np.float64)
        self._high = np.broadcast_to(high, shape).ravel().astype(np.float64)
        if not (np.isfinite(self._low).all() and np.isfinite(self._high).all()):
            raise DataError(
                f"the environment's action {space} is not bounded, but agents act in [-1, 1]",
                "wrap the environment so that its action_spec() is a dm_env.specs.BoundedArray",
            )
        self.action_size = len(self._low)
        first = self._first()
        self.observation_size, self.layout = len(_flat(first)), _layout(first)

    def reset(self) -> Floats:
        """Begin an episode and return its first observation (obs,)."""
        return _flat(self._first())

    def _first(self) -> Any:
        """Begin an episode and return its first observation, as the environment gives it."""
        if self._gymnasium:
            return self._environment.reset(seed=self._seed)[0]
        return self._environment.reset().observation

    def step(self, action: Floats) -> tuple[Floats, float, bool, bool]:
        """Take an action (act,) in [-1, 1].

        Returns:
            the observation (obs,); the reward; whether the episode terminated (dm_env: its last discount is 0); whether
            it was truncated.
        """
        scaled = self._low + (np.asarray(action, np.float64) + 1) / 2 * (self._high - self._low)
        given = scaled.reshape(self._shape).astype(self._dtype)
        if self._gymnasium:
            observation, reward, terminated, truncated, _ = self._environment.step(given)
            return _flat(observation), float(reward), bool(terminated), bool(truncated) and not terminated
        now = self._environment.step(given)
        ended = now.last()
        terminated = ended and now.discount == 0
        return _flat(now.observation), float(now.reward or 0.0), terminated, ended and not terminated


class TaskEnv:
    """One environment of a task for the training loop; one control step is one tick.

    The task's state is not saved: each episode has its own seed, and :meth:`restore` repeats the actions of the running
    episode.

    Args:
        make: constructs the task from a seed.
        seed, stream: determine the seeds of its episodes.
    """

    num_envs = 1

    def __init__(self, make: MakeEnvironment, seed: int, stream: int) -> None:
        self._make, self._seeds = make, (seed, stream)
        self._episode = -1
        self._actions: list[Floats] = []  # of the running episode
        self._environment = self._next_episode()
        self._observation = self._environment.reset()
        self.observation_size = self._environment.observation_size
        self.action_size = self._environment.action_size
        self.layout = self._environment.layout
        self.buffers = StepBuffers.zeros(step_layout(self.num_envs, self.action_size, self.observation_size))
        self.buffers.ticked[:] = True  # every step ends a tick

    def _next_episode(self) -> FlatEnvironment:
        self._episode += 1
        return self._current_episode()

    def _current_episode(self) -> FlatEnvironment:
        seed = int(np.random.SeedSequence((*self._seeds, self._episode)).generate_state(1)[0])
        return FlatEnvironment(self._make(seed), seed)

    def reset(self) -> StepBuffers:
        """Begin the first episode anew."""
        self._episode, self._actions = 0, []
        self._environment = self._current_episode()
        self._observation = self._environment.reset()
        self.buffers.observations[0] = self.buffers.final_observations[0] = self._observation
        return self.buffers

    def send(self, actions: Floats) -> None:
        """Store actions (1, act) for :meth:`receive`."""
        self.buffers.actions[:] = actions

    def receive(self) -> StepBuffers:
        """Take the step that was sent.

        Raises:
            NumericalError: a reward that is not finite.
        """
        buffers, action = self.buffers, self.buffers.actions[0].copy()
        next_observation, reward, terminated, truncated = self._environment.step(action)
        if not np.isfinite(reward):
            raise NumericalError(f"the reward of the task is not a number in episode {self._episode}")
        self._actions.append(action)
        buffers.final_observations[0] = next_observation
        buffers.environment_reward[0] = reward
        buffers.terminated[0], buffers.truncated[0] = terminated, truncated
        buffers.tick[0] = len(self._actions)
        if terminated or truncated:
            self._environment = self._next_episode()
            self._actions = []
            next_observation = self._environment.reset()
        self._observation = buffers.observations[0] = next_observation
        return buffers

    def state(self) -> npt.NDArray[Any]:
        """One record: the episode, its actions so far, and the current observation."""
        actions = np.array(self._actions, np.float32).reshape(len(self._actions), self.action_size)
        kind = [
            ("episode", np.int64),
            ("actions", np.float32, actions.shape),
            ("observation", np.float32, (self.observation_size,)),
        ]
        record = np.zeros((), kind)
        record["episode"], record["actions"], record["observation"] = self._episode, actions, self._observation
        return record

    def restore(self, state: npt.NDArray[Any]) -> None:
        """Restore a saved :meth:`state`.

        Raises:
            DataError: the repeated actions lead to another observation.
        """
        self._episode = int(state["episode"])
        self._environment, self._actions = self._current_episode(), []
        self._observation = self._environment.reset()
        for action in state["actions"].reshape(-1, self.action_size):
            self._observation = self._environment.step(action)[0]
            self._actions.append(action.copy())
        if not np.array_equal(self._observation, state["observation"]):
            raise DataError(
                "repeating the episode's actions gave another observation, so the run cannot continue exactly",
                "make_environment(seed) must give the same episode for the same seed and actions",
            )
        self.buffers.observations[0] = self._observation


def _flat(observation: Any) -> Floats:
    """Concatenate an observation (one array, or several by name in the environment's order) to a float32 vector."""
    parts = list(observation.values()) if hasattr(observation, "values") else [observation]
    return np.concatenate([np.ravel(part) for part in parts]).astype(np.float32)


def _layout(observation: Any) -> dict[str, slice]:
    """Where each named part lies in what :func:`_flat` gives."""
    parts = observation.items() if hasattr(observation, "items") else ()
    sizes = {str(name): np.size(part) for name, part in parts}
    ends = np.cumsum(list(sizes.values()), dtype=int).tolist()
    return {name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}
