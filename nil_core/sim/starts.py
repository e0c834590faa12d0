"""Start states of training episodes: anywhere in the motion of the reference, more often where the policy fails.

This is DeepMimic's reference state initialization (Peng et al. 2018); noise and bins follow BeyondMimic (Liao et al.
2025), with noise half as large, averages for a few environments instead of thousands, and failures relative to how
often episodes pass a bin: late bins are passed more often than early ones and would otherwise be drawn ever more often.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
import numpy.typing as npt

from nil_core.config import MotionSettings
from nil_core.sim.driven_joints import DrivenJoints
from nil_core.sim.motion import velocities
from nil_core.sim.scene import FLOOR, RobotScene
from nil_core.types import Doubles

JOINT_NOISE = 0.05  # rad, uniform in both directions, as all of these
TILT_NOISE = 0.05  # rad, roll and pitch
YAW_NOISE = 0.1  # rad
SPEED_NOISE = 0.2  # m/s and rad/s of the root

MIN_EPISODE_SECONDS = 0.2
"""Minimum time from a start to the end of the reference."""

MIN_BINS = 8
"""Minimum number of bins of starts; long references have one per second."""

NEWEST_WEIGHT = 0.05
"""Weight of the newest visit in a bin's moving average of failures; BeyondMimic's .001 is for thousands at once."""

PREVIOUS_BIN_WEIGHT = 0.8
"""Weight of a failure for the bin before the one in which it happened (weight 1), because it began there."""

UNIFORM_FAILURES = 1 / 9
"""Share of failed visits that is added to that of every bin: at least a tenth of the starts is spread evenly."""


@dataclass(frozen=True)
class Starts:
    """States to start from, and how they are sampled; plain data.

    Attributes:
        qpos: float64 (T, nq), the motion at ticks.
        qvel: float64 (T, nv), its velocities.
        clearance: float64 (T,), m between the lowest foot and the floor, never less than in the standing pose.
        ticks: int64 (n,), at which an episode may start, ascending.
        bins: int64 (n,), the bin of each of them.
        bin_ticks: ticks in a bin.
        share: of episodes that start in the motion; the others start at rest at tick 0.
        noise: factor of the noise above.
        adaptive: bins in which episodes fail are drawn more often.
    """

    qpos: Doubles
    qvel: Doubles
    clearance: Doubles
    ticks: npt.NDArray[np.int64]
    bins: npt.NDArray[np.int64]
    bin_ticks: float
    share: float
    noise: float
    adaptive: bool

    @classmethod
    def from_motion(
        cls, scene: RobotScene, qpos: Doubles, tick_hz: float, settings: MotionSettings, usable: npt.NDArray[np.bool_]
    ) -> Starts | None:
        """Find the starts in a motion.

        Args:
            scene: the robot.
            qpos: float64 (T, nq), the motion at ticks.
            tick_hz: ticks per second.
            settings: share and noise.
            usable: bool (T,), ticks at which an episode may start, because the robot does not count as fallen.

        Returns:
            None if there is no tick to start from.
        """
        last = len(qpos) - 1 - max(1, round(MIN_EPISODE_SECONDS * tick_hz))
        ticks = np.flatnonzero(usable[: max(last, 0) + 1])
        if not len(ticks):
            return None
        count = max(MIN_BINS, round((len(qpos) - 1) / tick_hz))
        bin_ticks = max(1.0, (len(qpos) - 1) / count)
        feet = FootClearance(scene)
        standing = feet.of(scene.standing_qpos)
        clearance = np.array([max(standing, feet.of(pose)) for pose in qpos])
        return cls(
            qpos=qpos,
            qvel=velocities(scene.model, qpos, tick_hz),
            clearance=clearance,
            ticks=ticks,
            bins=(ticks / bin_ticks).astype(np.int64),
            bin_ticks=bin_ticks,
            share=settings.start_share,
            noise=settings.start_noise,
            adaptive=settings.start_adaptive,
        )

    @property
    def bin_count(self) -> int:
        """Bins over the whole motion."""
        return int((len(self.qpos) - 2) / self.bin_ticks) + 1


class FootClearance:
    """Measures the height of a pose's lowest foot above the floor, in m; negative below it."""

    def __init__(self, scene: RobotScene) -> None:
        self._model = scene.model
        self._data = mujoco.MjData(scene.model)
        self._floor = scene.model.geom(FLOOR).id
        self._feet = [scene.model.geom(name).id for name in scene.spec.feet]

    def of(self, pose: Doubles) -> float:
        """Clearance of a pose (nq,), root first."""
        self._data.qpos[:] = pose
        self._data.qpos[2] += 1.0  # distances to a plane are exact above it
        mujoco.mj_kinematics(self._model, self._data)
        distances = [mujoco.mj_geomDistance(self._model, self._data, g, self._floor, 100.0, None) for g in self._feet]
        return float(min(distances, default=1.0)) - 1.0


class StartSampler:
    """Samples the starts of one environment's episodes, and records where they failed.

    Attributes:
        failures: float64 (bins,), moving average, over the episodes that reached a bin, of whether they failed there.
    """

    def __init__(self, starts: Starts, scene: RobotScene) -> None:
        self.failures = np.zeros(starts.bin_count)
        self._starts = starts
        self._model = scene.model
        self._clearance = FootClearance(scene)
        self._joints = DrivenJoints.of(scene.model, scene.spec)

    def draw(self, random: np.random.Generator) -> int | None:
        """The tick to start at; None: at rest, at tick 0."""
        starts = self._starts
        if random.random() >= starts.share:
            return None
        if not starts.adaptive:
            return int(starts.ticks[random.integers(len(starts.ticks))])
        bound = np.cumsum(self.shares())
        chosen = min(int(np.searchsorted(bound, random.random() * bound[-1], side="right")), len(bound) - 1)
        ticks = starts.ticks[starts.bins == chosen]
        return int(ticks[random.integers(len(ticks))])

    def shares(self) -> Doubles:
        """Sampling probability (bins,) of each bin; 0 for bins without a tick to start at."""
        failures = self.failures.copy()
        failures[:-1] += PREVIOUS_BIN_WEIGHT * self.failures[1:]
        failures /= 1 + PREVIOUS_BIN_WEIGHT
        weights = (failures + UNIFORM_FAILURES) * np.isin(np.arange(len(failures)), self._starts.bins)
        shares: Doubles = weights / weights.sum()
        return shares

    def note_end(self, start: int, end: int, failed: bool) -> None:
        """Record that an episode from tick ``start`` to ``end`` failed, or ended with the reference."""
        last = len(self.failures) - 1
        first, final = (min(int(tick / self._starts.bin_ticks), last) for tick in (start, end))
        self.failures[first : final + 1] *= 1 - NEWEST_WEIGHT
        if failed:
            self.failures[final] += NEWEST_WEIGHT

    def place(self, data: mujoco.MjData, tick: int, random: np.random.Generator) -> None:
        """Set positions and velocities to the motion's at a tick, with noise that keeps the lowest foot's clearance."""
        starts, model = self._starts, self._model
        data.qpos[:] = starts.qpos[tick]
        data.qvel[:] = starts.qvel[tick]
        if starts.noise == 0:
            self._put_down(data, tick)
            return
        change = np.zeros(model.nv)
        change[3:6] = random.uniform(-1, 1, 3) * [TILT_NOISE, TILT_NOISE, YAW_NOISE]
        change[self._joints.qvel] = random.uniform(-JOINT_NOISE, JOINT_NOISE, len(self._joints.qvel))
        mujoco.mj_integratePos(model, data.qpos, change, starts.noise)
        at = self._joints.qpos
        data.qpos[at] = np.clip(data.qpos[at], self._joints.lower, self._joints.upper)
        data.qvel[:6] += starts.noise * random.uniform(-SPEED_NOISE, SPEED_NOISE, 6)
        self._put_down(data, tick)

    def _put_down(self, data: mujoco.MjData, tick: int) -> None:
        data.qpos[2] += self._starts.clearance[tick] - self._clearance.of(data.qpos)
