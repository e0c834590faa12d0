"""The zero moment point and the center of mass of a walk: the cart-table, followed by preview control.

A body walks without tipping where its zero moment point (the center of pressure that its motion asks of the floor)
stays inside the soles that stand. The cart-table, a mass on a level table of the center of mass's height, says how the
center of mass has to move for a given path of that point: Kajita et al., Biped walking pattern generation by using
preview control of zero-moment point, ICRA 2003.
"""

from __future__ import annotations

import mujoco
import numpy as np
from scipy.linalg import solve_discrete_are

from nil_core.api import Doubles
from nil_generator_gait.pace import GRAVITY

STEP = 0.005  # s
HORIZON = 1.6  # s that the center of mass looks ahead
EFFORT = 1e-6  # weight of the squared jerk, where that of the squared error in m is 1


class PreviewController:
    """Moves the center of mass so that the zero moment point follows a path that is known ahead.

    Args:
        height: m, of the center of mass above the floor.

    Attributes:
        ahead: rows of the path that must be known beyond the last one that is followed.
    """

    def __init__(self, height: float) -> None:
        self._step = np.array([[1, STEP, STEP**2 / 2], [0, 1, STEP], [0, 0, 1]])
        self._push = np.array([STEP**3 / 6, STEP**2 / 2, STEP])
        self._read = np.array([1, 0, -height / GRAVITY])
        self.ahead = round(HORIZON / STEP)
        push = np.r_[self._read @ self._push, self._push][:, None]
        first = np.eye(4, 1)
        free = np.vstack([self._read @ self._step, self._step])
        whole = np.hstack([first, free])
        riccati = solve_discrete_are(whole, push, first @ first.T, np.array([[EFFORT]]))
        scale = 1 / (EFFORT + (push.T @ riccati @ push).item())
        self._of_error = scale * (push.T @ riccati @ first).item()
        self._of_state = scale * (push.T @ riccati @ free)[0]
        closed = whole - scale * push @ push.T @ riccati @ whole
        gains, future = [-self._of_error], -closed.T @ riccati @ first
        for _ in range(self.ahead - 1):
            gains.append(scale * (push.T @ future).item())
            future = closed.T @ future
        self._of_path = np.array(gains)

    def follow(self, path: Doubles) -> Doubles:
        """Where the center of mass is, at rest above the path's first point to begin with.

        Args:
            path: (T + ahead, A) m, the zero moment point along A axes, every :data:`STEP` s.

        Returns:
            (T, A) m.
        """
        ticks, axes = len(path) - self.ahead, path.shape[1]
        start = path[0]
        path = path - start
        windows = np.lib.stride_tricks.sliding_window_view(path[1:], self.ahead, axis=0)
        previewed = windows @ self._of_path
        state, error = np.zeros((3, axes)), np.zeros(axes)
        places = np.empty((ticks, axes))
        for tick in range(ticks):
            places[tick] = state[0]
            error += self._read @ state - path[tick]
            jerk = -self._of_error * error - self._of_state @ state - previewed[tick]
            state = self._step @ state + self._push[:, None] * jerk
        followed: Doubles = start + places
        return followed


def zero_moment_point(model: mujoco.MjModel, trajectory: Doubles, seconds: float) -> Doubles:
    """The zero moment point that a motion of all the robot's bodies asks of the floor z = 0, by inverse dynamics.

    Args:
        model: the robot alone, on a free joint that comes first.
        trajectory: (T, nq), T >= 3.
        seconds: between two rows.

    Returns:
        (T, 2) m, experiment.
    """
    velocities = np.zeros((len(trajectory), model.nv))
    for row, (before, after) in enumerate(zip(trajectory, trajectory[2:], strict=False), start=1):
        mujoco.mj_differentiatePos(model, velocities[row], 2 * seconds, before, after)
    velocities[-1] = velocities[-2]
    accelerations = np.gradient(velocities, seconds, axis=0)
    data, wrench = mujoco.MjData(model), np.zeros(model.nv)
    points = np.empty((len(trajectory), 2))
    for row, qpos in enumerate(trajectory):
        data.qpos[:], data.qvel[:], data.qacc[:] = qpos, velocities[row], accelerations[row]
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_comVel(model, data)
        mujoco.mj_rne(model, data, 1, wrench)
        root = int(model.jnt_bodyid[0])
        x, y, z = data.xpos[root]
        along, aside, up = wrench[:3]
        rolling, pitching, _ = data.xmat[root].reshape(3, 3) @ wrench[3:6]
        points[row] = x - (z * along + pitching) / up, y + (rolling - z * aside) / up
    return points
