"""N imitation environments as a ``gymnasium.vector.VectorEnv``, over nil's worker processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy.typing as npt
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from nil_core.gym.scored_envs import ScoredEnvs, refuse_options
from nil_core.gym.source import Folder, open_source
from nil_core.types import Floats, Frames


class ImitationVectorEnv(gymnasium.vector.VectorEnv[Floats, Floats, npt.NDArray[Any]]):
    """N :class:`nil_core.gym.env.ImitationEnv` that step together; their frames are encoded in one batch.

    An episode that ends is reset in the same step (``AutoresetMode.SAME_STEP``): ``info["final_obs"]`` and
    ``info["final_info"]`` hold its last observation and info.

    Args:
        num_envs: N.
        run, reference, sets, evaluation, render_mode: as in :class:`nil_core.gym.env.ImitationEnv`.
        workers: processes that simulate and render, 0: in this process; default: ``simulation.workers`` of the config.
            A script that uses any must put its code under ``if __name__ == "__main__":``.

    Raises:
        NilError: see :func:`nil_core.gym.source.open_source`.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  gymnasium's attribute
        "render_modes": ["rgb_array"],
        "render_fps": 25.0,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        run: Folder | None = None,
        reference: Folder | None = None,
        sets: Mapping[str, Any] | None = None,
        evaluation: bool = False,
        workers: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        experiment = open_source(run, reference, sets)
        settings = experiment.config
        self.metadata = self.metadata | {"render_fps": settings.environment.tick_hz}
        self.render_mode = render_mode
        self.num_envs = num_envs
        count = settings.simulation.workers if workers is None else workers
        self._envs = ScoredEnvs(experiment, num_envs, count, evaluation, render_mode is not None)
        self.single_observation_space = self._envs.observation_space
        self.single_action_space = self._envs.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._seeded = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Floats, dict[str, Any]]:
        """Begin an episode in every environment; the seed gives each its own random stream.

        Raises:
            ConfigError: options are given; none are supported.
        """
        super().reset(seed=seed)
        refuse_options(options)
        first = seed is not None or not self._seeded
        self._envs.begin(int(self.np_random.integers(2**32)) if first else None)
        self._seeded = True
        return self._envs.observations, {}

    def step(
        self, actions: Floats
    ) -> tuple[Floats, npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], dict[str, Any]]:
        """One control step of every environment: float32 (N, obs), float64 (N,), bool (N,), bool (N,), info.

        Raises:
            NumericalError: the simulation became unstable, or the reward is not a number.
            MachineError: worker processes were lost.
        """
        buffers = self._envs.step(actions)
        infos: dict[str, Any] = {}
        for i, ended in enumerate(buffers.ended):
            info = self._envs.info(i)
            if ended:
                info = {"final_obs": buffers.final_observations[i].copy(), "final_info": info}
            infos = self._add_info(infos, info, i)
        return (
            self._envs.observations,
            self._envs.rewards(),
            buffers.terminated.copy(),
            buffers.truncated.copy(),
            infos,
        )

    def render(self) -> tuple[Frames, ...] | None:
        """The newest frame of each environment, if ``render_mode`` is ``rgb_array``."""
        if self.render_mode is None:
            return None
        return tuple(self._envs.frames[i].copy() for i in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Stop the worker processes."""
        self._envs.close()
