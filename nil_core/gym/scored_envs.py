"""N environments whose ticks are scored in the step that ends them, as gymnasium requires."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box

from nil_core.errors import ConfigError
from nil_core.experiment.experiment import Experiment
from nil_core.interfaces import LearnedReward, Reward
from nil_core.sim.buffers import StepBuffers
from nil_core.tick import Tick
from nil_core.train.collect import Collector
from nil_core.types import Doubles, Floats, Frames


class ScoredEnvs:
    """Environments with their reward.

    Args:
        experiment: robot, reference and reward.
        num_envs: N.
        workers: processes that simulate and render; 0: in this process.
        evaluation: episodes start at rest and end with the reference or a fall; otherwise as in training, where a
            reward that learns does so after every step.
        render: render frames even if the reward does not need them.

    Raises:
        ConfigError: an evaluation with a reward that learns.

    Attributes:
        observation_space, action_space: of one environment.
        ticks: environment to the tick that ended in the last step.
        frames: environment to uint8 (S, S, 3), its newest frame; after the end of an episode, the first of the next.
    """

    def __init__(self, experiment: Experiment, num_envs: int, workers: int, evaluation: bool, render: bool) -> None:
        reward = experiment.reward(num_envs)
        self._learned_reward = _learned_reward(reward, evaluation)
        spec = experiment.env_spec if evaluation else experiment.training_env_spec
        drawn = render or bool(reward.needs)
        self._env = experiment.env(spec, num_envs, experiment.config.seed, reward, drawn, workers)
        self._collector = Collector(self._env, reward)
        self.observation_space = Box(-np.inf, np.inf, (self._env.observation_size,), np.float32)
        self.action_space = Box(-1.0, 1.0, (self._env.action_size,), np.float32)
        self.ticks: dict[int, Tick] = {}
        self.frames: dict[int, Frames] = {}

    @property
    def observations(self) -> Floats:
        """Copy of the current observations, float32 (N, obs)."""
        return self._collector.observations.copy()

    def begin(self, seed: int | None) -> None:
        """Begin an episode in every environment; with a seed, as new environments with that seed do."""
        if seed is not None:
            self._env.restore(self._env.initial_states(seed))
        self._collector.start()
        self._score()

    def step(self, actions: Floats) -> StepBuffers:
        """One control step with actions (N, act); episodes that end are reset."""
        self._collector.step(lambda _: actions, self._keep)
        self._score()
        return self._env.buffers

    def rewards(self) -> Doubles:
        """float64 (N,): of the ticks that ended in the last step, with the terminal value of falls; 0 elsewhere."""
        rewards = np.zeros(self._env.num_envs)
        for i, tick in self.ticks.items():
            rewards[i] = tick.reward + tick.terminal_value * tick.fell
        return rewards

    def info(self, i: int) -> dict[str, Any]:
        """Info of environment i for the last step; with ``terms`` if a tick ended."""
        buffers = self._env.buffers
        info: dict[str, Any] = {
            "speed": float(buffers.speed[i]),
            "environment_reward": float(buffers.environment_reward[i]),
        }
        return info | {"terms": dict(self.ticks[i].terms)} if i in self.ticks else info

    def close(self) -> None:
        """Stop the worker processes. Safe to call twice."""
        self._env.close()

    def _score(self) -> None:
        self.ticks = {}
        self._collector.score(self._keep)

    def _keep(self, ticks: Sequence[Tick]) -> None:
        if self._learned_reward is not None:
            self._learned_reward.learn(ticks)
        for tick in ticks:
            if not tick.begins:
                self.ticks[tick.env] = tick
            if tick.frame is not None:
                self.frames[tick.env] = tick.frame


def _learned_reward(reward: Reward, evaluation: bool) -> LearnedReward | None:
    if not isinstance(reward, LearnedReward):
        return None
    if evaluation:
        raise ConfigError(
            "a reward that learns has learned nothing in an environment for evaluations",
            "sets={'reward': 'environment'} gives the reward of the forward speed; nil eval evaluates a run of nil's",
        )
    return reward


def refuse_options(options: Mapping[str, Any] | None) -> None:
    """Reject options of ``reset``, which has none.

    Raises:
        ConfigError: options are given.
    """
    if options:
        raise ConfigError(
            f"reset has no option {', '.join(map(repr, options))}",
            "settings are arguments of gymnasium.make, for example sets={'environment.reset_noise': 0.05}",
        )
