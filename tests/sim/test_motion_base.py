"""The base of actions that are relative to a motion, and interpolation of the motion between ticks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_core.sim import gl
from nil_core.testing import ToyQuadruped

gl.choose_backend()

import mujoco  # noqa: E402

from nil_core.config import EnvironmentSettings  # noqa: E402
from nil_core.sim.base import action_base  # noqa: E402
from nil_core.sim.environment import EnvSpec, ImitationEnvironment  # noqa: E402
from nil_core.sim.motion import at_control_steps, uprights, velocities  # noqa: E402
from nil_core.sim.scene import RobotScene, compose  # noqa: E402

NU = 12


@pytest.fixture(scope="module")
def toy() -> RobotScene:
    return compose(ToyQuadruped(), "pd", 0.004, 48, simplify=False)


def joints(scene: RobotScene) -> np.ndarray:
    return np.array([scene.model.joint(a.joint).qposadr[0] for a in scene.spec.actuators])


def swaying(scene: RobotScene, ticks: int = 20) -> np.ndarray:
    """The stand, its joints swinging gently and its root moving forward: (ticks + 1, nq)."""
    qpos = np.tile(scene.standing_qpos, (ticks + 1, 1))
    times = np.arange(ticks + 1)[:, None]
    qpos[:, joints(scene)] += 0.1 * np.sin(0.4 * times + np.arange(NU))
    qpos[:, 0] += 0.01 * times[:, 0]
    return qpos


@given(st.integers(2, 9), st.integers(1, 6), st.integers(0, 99))
def test_rows_at_control_steps_are_interpolated_linearly(ticks: int, k: int, seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(ticks, 3))
    fine = at_control_steps(rows, k)
    assert fine.shape == ((ticks - 1) * k + 1, 3)
    assert (fine[::k] == rows).all(), "ticks themselves are exact"
    expected = [np.interp(np.arange(len(fine)) / k, np.arange(ticks), column) for column in rows.T]
    np.testing.assert_allclose(fine, np.transpose(expected), atol=1e-12)
    assert (at_control_steps(rows[:, 0], k) == fine[:, 0]).all(), "of numbers as of vectors"


@pytest.mark.parametrize("k", [1, 4])
def test_a_motion_that_stands_is_the_stand(toy: RobotScene, k: int) -> None:
    base = action_base(toy, np.tile(toy.standing_qpos, (6, 1)), k)
    assert base.shape == (5 * k, NU)
    assert (base == toy.standing_ctrl).all()


def test_the_base_of_a_step_is_the_motion_at_its_end(toy: RobotScene) -> None:
    motion = swaying(toy, 4)
    offsets = motion[:, joints(toy)] - toy.standing_qpos[joints(toy)]
    np.testing.assert_allclose(action_base(toy, motion, 1) - toy.standing_ctrl, offsets[1:], atol=1e-12)
    halves = action_base(toy, motion, 2) - toy.standing_ctrl
    np.testing.assert_allclose(halves[0], (offsets[0] + offsets[1]) / 2, atol=1e-12)
    np.testing.assert_allclose(halves[1::2], offsets[1:], atol=1e-12)


def test_joints_beyond_their_limits_are_taken_at_the_limit(toy: RobotScene) -> None:
    joint = toy.model.joint(toy.spec.actuators[0].joint)
    model = toy.model.__copy__()
    model.jnt_limited[joint.id] = True
    model.jnt_range[joint.id] = [-0.2, 0.3]
    limited = replace(toy, model=model)
    motion = np.tile(toy.standing_qpos, (3, 1))
    motion[1:, joints(toy)[0]] = 5.0, -5.0
    moved = action_base(limited, motion, 1)[:, 0] - toy.standing_ctrl[0] + toy.standing_qpos[joints(toy)[0]]
    np.testing.assert_allclose(moved, [0.3, -0.2], atol=1e-12)


@pytest.mark.parametrize("control_hz", [25.0, 125.0])
def test_actions_are_added_to_the_base_of_their_step(toy: RobotScene, control_hz: float) -> None:
    settings = EnvironmentSettings(control_hz=control_hz)
    motion = swaying(toy, 6)
    base = action_base(toy, motion, settings.control_steps_per_tick)
    plan = EnvSpec(toy, settings, 6, np.zeros((7, 0), np.float32), None, base=base)
    environment = ImitationEnvironment(plan, 0)
    environment.reset()
    assert (environment.data.ctrl == base[0]).all()
    for step, action in enumerate(np.random.default_rng(0).uniform(-0.3, 0.3, (plan.control_steps, NU))):
        environment.step(action.astype(np.float32))
        given_action = action.astype(np.float32).astype(np.float64)
        np.testing.assert_allclose(environment.data.ctrl, base[step] + toy.action_scale * given_action, atol=1e-9)


def test_action_zero_about_a_motion_tracks_it(toy: RobotScene) -> None:
    settings, motion = EnvironmentSettings(reset_noise=0.0), np.tile(toy.standing_qpos, (21, 1))
    motion[:, joints(toy)[2::3]] -= 0.2 * np.sin(0.2 * np.arange(21))[:, None]  # it crouches and rises
    errors = []
    for base in (action_base(toy, motion, 1), None):
        plan = EnvSpec(toy, settings, 20, np.zeros((21, 0), np.float32), None, base=base)
        environment = ImitationEnvironment(plan, 0)
        environment.reset()
        lived = []
        for _ in range(20):
            environment.step(np.zeros(NU, np.float32))
            lived.append(environment.data.qpos[joints(toy)].copy())
        errors.append(np.abs(lived - motion[1:, joints(toy)]).mean())
    assert errors[0] < 0.5 * errors[1]


def test_velocities_are_those_of_the_motion(toy: RobotScene) -> None:
    """Of a root that goes forward and turns, and of joints that swing; in MuJoCo's frames."""
    motion, hz, rate = swaying(toy, 20), 25.0, 1.5
    for t, pose in enumerate(motion):
        mujoco.mju_axisAngle2Quat(pose[3:7], np.array([0.0, 0.0, 1.0]), rate * t / hz)
    motion[7, 3:7] *= -1  # the same turn
    found = velocities(toy.model, motion, hz)
    np.testing.assert_allclose(found[:, 0], 0.01 * hz, atol=1e-6)
    np.testing.assert_allclose(found[:, 5], rate, atol=0.02)
    addresses = [toy.model.joint(a.joint).dofadr[0] for a in toy.spec.actuators]
    expected = 0.1 * 0.4 * hz * np.cos(0.4 * np.arange(21)[:, None] + np.arange(NU))
    assert np.abs(found[2:-2, addresses] - expected[2:-2]).max() < 0.1 * np.abs(expected).max()
    assert np.isfinite(velocities(toy.model, motion[:2], hz)).all(), "too short to be smoothed"


def test_uprights_are_the_roots_vertical() -> None:
    pose = np.zeros((2, 7))
    pose[:, 3] = 1.0
    mujoco.mju_axisAngle2Quat(pose[1, 3:7], np.array([0.0, 1.0, 0.0]), 0.3)
    np.testing.assert_allclose(uprights(pose), [[0, 0, 1], [np.sin(0.3), 0, np.cos(0.3)]], atol=1e-12)
