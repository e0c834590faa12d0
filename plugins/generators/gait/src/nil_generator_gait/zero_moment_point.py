"""Zero moment point (ZMP) and center of mass of a walk: preview control of the cart-table model.

A robot does not tip over if its ZMP (the center of pressure required by its motion) stays inside the stance soles.
The cart-table model (a point mass at constant height) gives the motion of the center of mass for a given ZMP path:
Kajita et al., Biped walking pattern generation by using preview control of zero-moment point, ICRA 2003.
"""

from __future__ import annotations

import mujoco
import numpy as np
from scipy.linalg import solve_discrete_are

from nil_core.api import Doubles
from nil_generator_gait.pace import GRAVITY

TIME_STEP = 0.005  # s
PREVIEW_HORIZON = 1.6  # s
JERK_WEIGHT = 1e-6  # of the squared jerk; the weight of the squared ZMP error (m) is 1


class PreviewController:
    """Preview controller of the center of mass: its ZMP tracks a path that is known in advance.

    Args:
        height: m, of the center of mass above the floor.

    Attributes:
        preview_steps: number of path rows needed after the last tracked one.
    """

    def __init__(self, height: float) -> None:
        self._transition = np.array([[1, TIME_STEP, TIME_STEP**2 / 2], [0, 1, TIME_STEP], [0, 0, 1]])
        self._jerk_input = np.array([TIME_STEP**3 / 6, TIME_STEP**2 / 2, TIME_STEP])
        self._zmp_output = np.array([1, 0, -height / GRAVITY])
        self.preview_steps = round(PREVIEW_HORIZON / TIME_STEP)
        jerk_input = np.r_[self._zmp_output @ self._jerk_input, self._jerk_input][:, None]
        error_output = np.eye(4, 1)
        state_transition = np.vstack([self._zmp_output @ self._transition, self._transition])
        augmented = np.hstack([error_output, state_transition])
        riccati = solve_discrete_are(augmented, jerk_input, error_output @ error_output.T, np.array([[JERK_WEIGHT]]))
        scale = 1 / (JERK_WEIGHT + (jerk_input.T @ riccati @ jerk_input).item())
        self._error_gain = scale * (jerk_input.T @ riccati @ error_output).item()
        self._state_gain = scale * (jerk_input.T @ riccati @ state_transition)[0]
        closed_loop = augmented - scale * jerk_input @ jerk_input.T @ riccati @ augmented
        gains, future = [-self._error_gain], -closed_loop.T @ riccati @ error_output
        for _ in range(self.preview_steps - 1):
            gains.append(scale * (jerk_input.T @ future).item())
            future = closed_loop.T @ future
        self._preview_gains = np.array(gains)

    def follow(self, path: Doubles) -> Doubles:
        """Center of mass that tracks a ZMP path, initially at rest above its first point.

        Args:
            path: (T + preview_steps, A) m, ZMP along A axes, every :data:`TIME_STEP` s.

        Returns:
            (T, A) m.
        """
        ticks, axes = len(path) - self.preview_steps, path.shape[1]
        start = path[0]
        path = path - start
        windows = np.lib.stride_tricks.sliding_window_view(path[1:], self.preview_steps, axis=0)
        preview_terms = windows @ self._preview_gains
        state, error = np.zeros((3, axes)), np.zeros(axes)
        positions = np.empty((ticks, axes))
        for tick in range(ticks):
            positions[tick] = state[0]
            error += self._zmp_output @ state - path[tick]
            jerk = -self._error_gain * error - self._state_gain @ state - preview_terms[tick]
            state = self._transition @ state + self._jerk_input[:, None] * jerk
        result: Doubles = start + positions
        return result


def zero_moment_point(model: mujoco.MjModel, trajectory: Doubles, seconds: float) -> Doubles:
    """ZMP of a whole-body motion on the floor z = 0, by inverse dynamics.

    Args:
        model: only the robot; its first joint is the free joint.
        trajectory: (T, nq), T >= 3.
        seconds: between two rows.

    Returns:
        (T, 2) m, world coordinates.
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
        force_x, force_y, force_z = wrench[:3]
        torque_x, torque_y, _ = data.xmat[root].reshape(3, 3) @ wrench[3:6]
        points[row] = x - (z * force_x + torque_y) / force_z, y + (torque_x - z * force_y) / force_z
    return points
