"""Distance between an episode and a recorded motion, over joint angles, without the root: the MoCap loss.

The paper names a MoCap loss and does not define it. Here: the recording is shifted by the constant time that fits best,
then both are aligned by dynamic time warping in a Sakoe-Chiba band, and the mean absolute difference of the actuated
joints is taken over the steps of the warping path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline
from scipy.spatial.distance import cdist

from nil_core.evaluation.rollout import Episode
from nil_core.sim.body_tree import ancestors
from nil_core.sim.driven_joints import DrivenJoints
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles

RATE = 100.0
"""Hz, at which episodes and recordings are compared."""

BAND_SECONDS = 0.2
"""Farthest that warping moves a moment of the recording."""

Path = npt.NDArray[np.int64]


def warping_path(cost: Doubles, band: int) -> Path:
    """The pairs of rows and columns that dynamic time warping aligns, from the first ones to the last ones.

    Args:
        cost: (n, m), of every pair.
        band: largest distance from the diagonal (Sakoe-Chiba); at least the difference of n and m.

    Returns:
        (K, 2), the path of least total cost.
    """
    n, m = cost.shape
    band = max(band, abs(n - m))
    total = np.full((n + 1, m + 1), np.inf)
    total[0, 0] = 0.0
    for i in range(1, n + 1):
        first, last = max(1, i - band), min(m, i + band)
        above, left = total[i - 1], np.inf
        # from above or diagonally for the whole row at once; from the left one after the other
        best = np.minimum(above[first : last + 1], above[first - 1 : last]).tolist()
        row = cost[i - 1, first - 1 : last].tolist()
        for j, (before, here) in enumerate(zip(best, row, strict=True)):
            left = here + min(before, left)
            row[j] = left
        total[i, first : last + 1] = row
    i, j = n, m
    path = [(i, j)]
    while (i, j) != (1, 1):
        i, j = min(((i - 1, j - 1), (i - 1, j), (i, j - 1)), key=lambda at: total[at])
        path.append((i, j))
    return np.array(path[::-1]) - 1


@dataclass(frozen=True)
class Distances:
    """Distances of a motion from a recording.

    Attributes:
        loss: rad, mean absolute difference of the joints along the warping path.
        warp: s, mean time by which the path leaves the best constant shift.
        shifted: rad, the same difference with the best constant shift alone.
        shift: samples by which the recording is later.
        path: (K, 2), rows of the motion and of the shifted recording.
    """

    loss: float
    warp: float
    shifted: float
    shift: int
    path: Path


def distances(motion: Doubles, recording: Doubles, rate: float = RATE, band: float = BAND_SECONDS) -> Distances:
    """Compare joint angles with those of a recording.

    Args:
        motion: (n, J) rad.
        recording: (m, J) rad, m >= n; it is shifted by 0 to m - n samples.
        rate: samples per second of both.
        band: s, see :data:`BAND_SECONDS`.
    """
    n = len(motion)
    errors = [np.abs(motion - recording[shift : shift + n]).mean() for shift in range(len(recording) - n + 1)]
    shift = int(np.argmin(errors))
    cost = cdist(motion, recording[shift : shift + n], "cityblock") / motion.shape[1]
    path = warping_path(cost, round(band * rate))
    rows, columns = path.T
    warp = np.abs(rows - columns).mean() / rate
    return Distances(float(cost[rows, columns].mean()), float(warp), float(errors[shift]), shift, path)


class KeyPoints:
    """Points of a robot in the frame of its root: its feet, and the last driven joint of every limb.

    Args:
        scene: of the robot.
    """

    def __init__(self, scene: RobotScene) -> None:
        model, spec = scene.model, scene.spec
        self._model, self._data = model, mujoco.MjData(model)
        self._pose = scene.standing_qpos.copy()
        self._pose[:7] = 0, 0, 0, 1, 0, 0, 0
        joints = DrivenJoints.of(model, spec)
        self.addresses = joints.qpos
        """Of the actuated joints in qpos."""
        driven = [int(body) for body in model.jnt_bodyid[joints.ids]]
        above = {ancestor for body in driven for ancestor in ancestors(model, body)}
        self._bodies = np.array([body for body in dict.fromkeys(driven) if body not in above])
        feet = {int(model.geom_bodyid[geom]): geom for geom in (model.geom(name).id for name in spec.feet)}
        self._feet = np.array(list(feet.values()), int)

    def __call__(self, angles: Doubles) -> Doubles:
        """Points (n, P, 3) in m for joint angles (n, nu) in rad."""
        points = np.empty((len(angles), len(self._bodies) + len(self._feet), 3))
        for row, pose in zip(points, angles, strict=True):
            self._data.qpos[:] = self._pose
            self._data.qpos[self.addresses] = pose
            mujoco.mj_kinematics(self._model, self._data)
            row[:] = np.concatenate([self._data.xpos[self._bodies], self._data.geom_xpos[self._feet]])
        return points


def resampled(rows: Doubles, times: Doubles) -> Doubles:
    """Rows (T, J) at times (T,) s, at :data:`RATE` from the first time to the last (cubic splines)."""
    last = int(np.floor((times[-1] - times[0]) * RATE + 1e-6))
    between: Doubles = CubicSpline(times, rows)(times[0] + np.arange(last + 1) / RATE)
    return between


class MotionLoss:
    """The distances of episodes from one recorded motion of the same robot.

    Args:
        prefix: of the columns.
        scene: of the robot.
        qpos: float64 (m, nq), the recording at :data:`RATE`, at least as long as an episode. It is cut to an episode
            that ends early.
        spare: s of the recording beyond an episode, within which it is shifted.
        tick_hz, control_hz: of the episodes.
        left_out: joints that the recording does not move; they are not compared.
    """

    def __init__(
        self,
        prefix: str,
        scene: RobotScene,
        qpos: Doubles,
        spare: float,
        tick_hz: float,
        control_hz: float,
        left_out: Sequence[str] = (),
    ) -> None:
        self._prefix = prefix
        self._points = KeyPoints(scene)
        self._recording = qpos[:, self._points.addresses]
        self._recorded_points = self._points(self._recording)
        self._spare = round(spare * RATE)
        self._rates = tick_hz, control_hz
        self._compared = np.array([actuator.joint not in left_out for actuator in scene.spec.actuators])

    def __call__(self, episode: Episode) -> dict[str, float | None]:
        """Column to value."""
        tick_hz, control_hz = self._rates
        times = np.minimum(np.arange(len(episode.qpos)) / tick_hz, len(episode.speed) / control_hz)
        motion = resampled(episode.qpos[:, self._points.addresses], times)[: len(self._recording)]
        recording = self._recording[: len(motion) + self._spare]
        found = distances(motion[:, self._compared], recording[:, self._compared])
        rows, columns = found.path.T
        apart = self._points(motion)[rows] - self._recorded_points[found.shift + columns]
        values: dict[str, float | None] = {
            "loss_deg": float(np.degrees(found.loss)),
            "warp": found.warp,
            "shift_deg": float(np.degrees(found.shifted)),
            "keybody_mm": 1000 * float(np.linalg.norm(apart, axis=2).mean()),
        }
        return {f"{self._prefix}_{name}": value for name, value in values.items()}
