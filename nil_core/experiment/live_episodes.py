"""Episodes of a run's policy, simulated one control step at a time while somebody watches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nil_core.experiment.evaluator import EVALUATION_SEED, deterministic_policy
from nil_core.experiment.open_run import OpenRun
from nil_core.tick import Tick
from nil_core.train.collect import Collector
from nil_core.types import Doubles


class LiveEpisodes:
    """Steps the policy of a run. The episode of a seed is that of ``nil play`` with the same seed.

    Everything is simulated, rendered and scored in this process; rendering belongs to the thread that built this.

    Args:
        run: the run, opened with its encoder.
        which: ``newest`` or ``best`` checkpoint.

    Attributes:
        seed: of the running episode.
        step_count: control steps of the running episode so far.
        reward: sum of the rewards of the running episode so far, divided by the ticks of a full episode: at the end it
            is the return of ``nil eval``.
        speed: mean forward speed of the running episode so far, m/s.
        ended: the running episode is over; :meth:`start` starts another.
        fell: it is over because the robot fell.
        finished: episodes that are over.
        falls: how many of them ended in a fall.
        qpos: float64 (nq,), the pose now.

    Raises:
        RunError: the checkpoint does not exist, or is damaged.
    """

    def __init__(self, run: OpenRun, which: str) -> None:
        experiment = run.experiment
        reward = experiment.reward(1)
        self._env = experiment.env(experiment.env_spec, 1, EVALUATION_SEED, reward, bool(reward.needs), workers=0)
        self._collector = Collector(self._env, reward)
        self._policy = deterministic_policy(run.policy(self._env, which, reward))
        self._ticks = experiment.env_spec.ticks
        self._steps_per_tick = experiment.config.environment.control_steps_per_tick
        self.seed = self.step_count = self.finished = self.falls = 0
        self.reward = self.speed = 0.0
        self.ended = self.fell = False
        self.qpos: Doubles = np.empty(0)

    @property
    def tick(self) -> int:
        """The row of the reference that belongs to the pose now."""
        return self.step_count // self._steps_per_tick

    def start(self, seed: int) -> None:
        """Start the episode of a seed, at rest at the beginning of the reference."""
        self._env.restore(self._env.initial_states(EVALUATION_SEED + seed))
        self._collector.start()
        self.seed, self.step_count = seed, 0
        self.reward = self.speed = 0.0
        self.ended = self.fell = False
        self.qpos = self._env.buffers.start_qpos[0].copy()

    def step(self) -> None:
        """One control step of the running episode.

        Raises:
            NumericalError: the simulation became unstable, or the reward is not finite.
        """
        self._collector.step(self._policy, self._add)
        buffers = self._env.buffers
        self.step_count += 1
        self.speed += (float(buffers.speed[0]) - self.speed) / self.step_count
        self.qpos = buffers.qpos[0].copy()
        if buffers.ticked[0]:
            self._collector.score(self._add)
        if buffers.ended[0]:
            self.ended, self.fell = True, bool(buffers.terminated[0])
            self.finished += 1
            self.falls += self.fell

    def _add(self, ticks: Sequence[Tick]) -> None:
        self.reward += sum(tick.reward for tick in ticks if not tick.begins) / self._ticks

    def close(self) -> None:
        """Free the renderer."""
        self._env.close()
