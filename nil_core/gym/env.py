"""One imitation environment as a ``gymnasium.Env``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium

from nil_core.gym.scored_envs import ScoredEnvs, refuse_options
from nil_core.gym.source import Folder, open_source
from nil_core.types import Floats, Frames


class ImitationEnv(gymnasium.Env[Floats, Floats]):
    """A robot that is rewarded for imitating a video.

    Observations are float32 (obs,), actions float32 (act,) in [-1, 1]. The reward of a tick is given at its last
    control step and is 0 at the others, so that the sum over an episode is nil's return. An episode is terminated by a
    fall, and truncated at the end of the reference.

    ``info`` holds ``speed`` (m/s, forward) and ``environment_reward`` of every step, and at the end of a tick
    ``terms``: the terms of the reward by name, similarities unscaled and regularizers weighted.

    Args:
        run: folder of a run, whose config and reference are used as they are.
        reference: folder written by ``nil generate``, instead of a run.
        sets: dotted config key to value, overrides the config of that folder: ``{"reward.iou": 0.5}``.
        evaluation: episodes start at rest at the beginning of the reference, as in evaluations of nil. Otherwise
            as in its training: a share of ``motion.start_share`` anywhere in the reference's motion, if it has one.
        workers: processes that simulate and render; 0: in this process.
        render_mode: ``rgb_array``: ``render`` returns the newest frame that the reward uses, uint8 (S, S, 3).

    Raises:
        NilError: see :func:`nil_core.gym.source.open_source`.
    """

    def __init__(
        self,
        run: Folder | None = None,
        reference: Folder | None = None,
        sets: Mapping[str, Any] | None = None,
        evaluation: bool = False,
        workers: int = 0,
        render_mode: str | None = None,
    ) -> None:
        experiment = open_source(run, reference, sets)
        self.metadata = self.metadata | {"render_fps": experiment.config.environment.tick_hz}
        self.render_mode = render_mode
        self._envs = ScoredEnvs(experiment, 1, workers, evaluation, render_mode is not None)
        self.observation_space, self.action_space = self._envs.observation_space, self._envs.action_space
        self._seeded = False
        self._next_has_begun = False  # by the step that ended the previous one
        self._frame: Frames | None = None

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 25.0}  # noqa: RUF012  gymnasium's attribute

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Floats, dict[str, Any]]:
        """Begin an episode. If no seed was ever given, episodes differ between processes.

        Raises:
            ConfigError: options are given; none are supported.
        """
        super().reset(seed=seed)
        refuse_options(options)
        if seed is not None or not self._seeded:
            self._envs.begin(int(self.np_random.integers(2**32)))
            self._seeded = True
        elif not self._next_has_begun:
            self._envs.begin(None)
        self._next_has_begun = False
        self._frame = self._envs.frames.get(0)
        return self._envs.observations[0], {}

    def step(self, action: Floats) -> tuple[Floats, float, bool, bool, dict[str, Any]]:
        """One control step.

        Raises:
            NumericalError: the simulation became unstable, or the reward is not a number.
        """
        buffers = self._envs.step(action[None])
        if 0 in self._envs.ticks:
            self._frame = self._envs.ticks[0].frame
        self._next_has_begun = bool(buffers.ended[0])
        return (
            buffers.final_observations[0].copy(),
            float(self._envs.rewards()[0]),
            bool(buffers.terminated[0]),
            bool(buffers.truncated[0]),
            self._envs.info(0),
        )

    def render(self) -> Frames | None:
        """The newest frame, if ``render_mode`` is ``rgb_array``."""
        return None if self.render_mode is None or self._frame is None else self._frame.copy()

    def close(self) -> None:
        """Stop the simulation. Safe to call twice."""
        self._envs.close()
