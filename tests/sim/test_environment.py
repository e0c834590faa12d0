"""Episodes: start, actions, endings, measurements, and exact continuation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nil_core import registry
from nil_core.sim import gl
from nil_core.testing import ToyQuadruped
from nil_core.types import FallLimits

gl.choose_backend()

import mujoco  # noqa: E402
from dm_control.rl.control import PhysicsError  # noqa: E402

from nil_core.config import EnvironmentSettings  # noqa: E402
from nil_core.sim.environment import EnvSpec, ImitationEnvironment, fallen  # noqa: E402
from nil_core.sim.scene import RobotScene, compose  # noqa: E402

NU = 12


@pytest.fixture(scope="module")
def toy() -> RobotScene:
    return compose(ToyQuadruped(), "pd", 0.004, 64, simplify=False)


def plan(scene: RobotScene, ticks: int = 10, target: float | None = 0.8, **settings: Any) -> EnvSpec:
    nothing = np.zeros((ticks + 1, 0), np.float32)
    return EnvSpec(scene, EnvironmentSettings(**settings), ticks, nothing, target)


def never_fallen(scene: RobotScene) -> RobotScene:
    return replace(scene, spec=replace(scene.spec, fall=FallLimits(-1.0, 9.0, 9.0)))


def actions(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, NU)).astype(np.float32)


def test_zero_action_stands_a1_through_a_whole_reference() -> None:
    a1 = compose(registry.build("robot", "a1", {}), "pd", 0.004, 64, simplify=False)
    environment = ImitationEnvironment(plan(a1, ticks=62), seed=0)
    step, lived = environment.reset(), 0
    while not step.last():
        step, lived = environment.step(np.zeros(NU)), lived + 1
    assert (lived, step.discount) == (62, 1.0)
    assert np.abs(environment.data.qpos[:3] - a1.standing_qpos[:3]).max() < 0.02


@pytest.mark.parametrize(("control_hz", "tick_hz", "k"), [(25.0, 25.0, 1), (125.0, 25.0, 5)])
def test_an_episode_lasts_as_long_as_the_reference(toy: RobotScene, control_hz: float, tick_hz: float, k: int) -> None:
    environment = ImitationEnvironment(plan(toy, ticks=4, control_hz=control_hz, tick_hz=tick_hz), seed=0)
    step = environment.reset()
    assert step.first() and environment.data.time == 0
    for count in range(1, 4 * k + 1):
        step = environment.step(np.zeros(NU))
        assert environment.data.time == pytest.approx(count / control_hz)
        assert step.last() == (count == 4 * k)
    assert step.discount == 1.0
    assert environment.data.time == pytest.approx(4 / tick_hz)
    assert environment.step(np.zeros(NU)).first()


def test_a_fall_ends_it_at_once_with_discount_zero(toy: RobotScene) -> None:
    above = toy.standing_qpos[2] + 0.1
    lying = replace(toy, spec=replace(toy.spec, fall=FallLimits(min_height=above)))
    for ticks in (5, 1):  # a fall at the last step is a fall, not a time limit
        environment = ImitationEnvironment(plan(lying, ticks), seed=0)
        environment.reset()
        step = environment.step(np.zeros(NU))
        assert step.last() and step.discount == 0.0


@pytest.mark.parametrize("yaw", [0.0, 2.0, -3.0])
@pytest.mark.parametrize(
    ("roll", "pitch", "height", "down"),
    [
        (0.0, 0.0, 0.3, False),
        (0.45, 0.0, 0.3, False), (0.55, 0.0, 0.3, True), (-0.55, 0.0, 0.3, True),
        (0.0, 0.25, 0.3, False), (0.0, 0.35, 0.3, True), (0.0, -0.35, 0.3, True),
        (np.pi, 0.0, 0.3, True),
        (0.0, 0.0, 0.21, False), (0.0, 0.0, 0.19, True),
    ],
)  # fmt: skip
def test_fallen_knows_roll_pitch_and_height_at_any_heading(
    toy: RobotScene, yaw: float, roll: float, pitch: float, height: float, down: bool
) -> None:
    data = mujoco.MjData(toy.model)
    data.qpos[:] = toy.standing_qpos
    data.qpos[2] = height
    mujoco.mju_euler2Quat(data.qpos[3:7], np.array([yaw, pitch, roll]), "zyx")
    mujoco.mj_kinematics(toy.model, data)
    limits = FallLimits(min_height=0.2, max_roll=0.5, max_pitch=0.3)
    assert fallen(data, toy.model.body("trunk").id, limits) == down


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.3])
def test_an_episode_starts_at_rest_in_the_standing_pose_within_the_noise(toy: RobotScene, noise: float) -> None:
    environment = ImitationEnvironment(plan(never_fallen(toy), reset_noise=noise), seed=1)
    starts = []
    for _ in range(30):
        environment.reset()
        starts.append(environment.data.qpos - toy.standing_qpos)
        assert not environment.data.qvel.any() and environment.data.time == 0
        environment.step(actions(1)[0])
    moved = np.array(starts)
    assert not moved[:, :7].any()
    assert np.abs(moved[:, 7:]).max() <= noise
    assert np.abs(moved).max() >= 0.9 * noise and len(np.unique(moved[:, 7])) == (30 if noise else 1)


def test_the_seed_decides_the_starts(toy: RobotScene) -> None:
    def start(seed: int) -> bytes:
        environment = ImitationEnvironment(plan(toy), seed)
        environment.reset()
        return environment.data.qpos.tobytes()

    assert start(1) == start(1) != start(2)


@pytest.mark.parametrize("control", ["pd", "torque"])
def test_an_action_is_added_to_the_stand_and_clipped(toy: RobotScene, control: str) -> None:
    scene = toy if control == "pd" else compose(ToyQuadruped(), "torque", 0.004, 64, simplify=False)
    environment = ImitationEnvironment(plan(scene), seed=0)
    environment.reset()
    action = np.linspace(-2, 2, NU)
    environment.step(action)
    wanted = scene.standing_ctrl + np.clip(action, -1, 1) * scene.action_scale
    assert np.allclose(environment.data.ctrl, wanted)
    spec = environment.action_spec()
    assert spec.shape == (NU,) and (spec.minimum == -1).all() and (spec.maximum == 1).all()


def test_the_action_before_follows_and_is_forgotten_at_a_new_start(toy: RobotScene) -> None:
    environment = ImitationEnvironment(plan(never_fallen(toy), ticks=3), seed=0)
    task, (first, second, third, fourth) = environment.task_, actions(4)
    environment.reset()
    for before, action in ((np.zeros(NU), first), (first, second), (second, third)):
        environment.step(action)
        measured = task.measure(environment.data)
        assert np.array_equal(measured.last_action, before) and np.array_equal(measured.action, action)
    assert environment.step(fourth).first()  # the reference is over: this begins anew
    assert not task.action.any() and not task.last_action.any()
    environment.step(fourth)
    assert not task.measure(environment.data).last_action.any()


def test_the_environment_reward_is_that_of_the_forward_speed(toy: RobotScene) -> None:
    environment = ImitationEnvironment(plan(never_fallen(toy), target=0.5), seed=0)
    environment.reset()
    step = environment.step(actions(1)[0])
    assert environment.data.qvel[0] != 0
    assert step.reward == pytest.approx(np.exp(-((environment.data.qvel[0] - 0.5) ** 2)))
    unknown = ImitationEnvironment(plan(toy, target=None), seed=0)
    unknown.reset()
    assert unknown.step(np.zeros(NU)).reward == 0.0


@pytest.mark.parametrize("steps", [0, 1, 7, 9])
def test_it_goes_on_exactly_from_a_saved_state(toy: RobotScene, steps: int) -> None:
    """20 more steps, over the ends of episodes of 10: the same bytes in every number that anybody sees."""
    settings = plan(never_fallen(toy), ticks=10, reset_noise=0.05)
    unbroken, resumed = ImitationEnvironment(settings, seed=0), ImitationEnvironment(settings, seed=99)
    unbroken.reset()
    for action in actions(steps):
        unbroken.step(action)
        unbroken.task_.measure(unbroken.data)
    saved = unbroken.state()
    resumed.reset()
    for action in actions(3, seed=5):
        resumed.step(action)
    resumed.restore(saved)

    def live(environment: ImitationEnvironment) -> list[bytes]:
        seen = []
        for action in actions(20, seed=1):
            step = environment.step(action)
            measured = environment.task_.measure(environment.data)
            seen.append(environment.observe(step).tobytes() + environment.data.qpos.tobytes())
            numbers = [part for part in vars(measured).values() if isinstance(part, np.ndarray)]
            assert len(numbers) == 12
            seen.append(b"".join(part.tobytes() for part in numbers))
        return seen

    assert live(resumed) == live(unbroken)


def test_saving_changes_nothing(toy: RobotScene) -> None:
    settings = plan(never_fallen(toy))
    watched, alone = ImitationEnvironment(settings, 0), ImitationEnvironment(settings, 0)
    for environment in (watched, alone):
        environment.reset()
        for action in actions(8):
            environment.step(action)
            if environment is watched:
                environment.state()
    assert watched.data.qpos.tobytes() == alone.data.qpos.tobytes()


def test_torque_tilt_and_joint_speed_are_measured(toy: RobotScene) -> None:
    environment = ImitationEnvironment(plan(never_fallen(toy)), seed=0)
    environment.reset()
    strong = 0
    for action in actions(10):
        environment.step(10 * action)
        measured, data = environment.task_.measure(environment.data), environment.data
        strong = max(strong, np.abs(measured.torque).max())
        assert np.allclose(measured.torque * 30.0, data.actuator_force) and np.abs(measured.torque).max() <= 1
        assert np.array_equal(measured.joint_velocity, data.qvel[6:])
        upright = np.zeros(3)
        mujoco.mju_rotVecQuat(upright, np.array([0.0, 0, 1]), data.qpos[3:7])
        assert measured.tilt[0] == pytest.approx(np.arccos(upright[2]), abs=1e-3)
    assert strong > 0.5


def test_what_a_reward_term_may_read_is_measured(toy: RobotScene) -> None:
    """Joints in the order of actions; the root's position, velocities and contacts; MuJoCo's own model and data."""
    environment = ImitationEnvironment(plan(never_fallen(toy)), seed=0)
    environment.reset()
    for action in actions(10):
        environment.step(action)
        measured, data = environment.task_.measure(environment.data), environment.data
        assert measured.joint_names == tuple(actuator.joint for actuator in toy.spec.actuators)
        for name, position, velocity in zip(
            measured.joint_names, measured.joint_position, measured.joint_velocity, strict=True
        ):
            assert position == data.joint(name).qpos[0] and velocity == data.joint(name).qvel[0]
        assert np.array_equal(measured.root_position, data.qpos[:3])
        assert np.array_equal(measured.root_velocity, data.qvel[:3])
        assert np.array_equal(measured.root_angular_velocity, data.qvel[3:6])
        assert measured.contacts.dtype == np.bool_
        assert np.array_equal(measured.contacts, environment.task_.feet.loaded(data))
        assert measured.model is toy.model and measured.data is data


def test_feet_report_air_time_at_touch_down_and_slip_under_load(toy: RobotScene) -> None:
    environment = ImitationEnvironment(plan(never_fallen(toy), ticks=25, reset_noise=0.0), seed=0)
    environment.reset()
    feet, data = environment.task_.feet, environment.data
    assert feet.count == 4
    environment.step(np.zeros(NU))
    speed, air, loaded = feet.watch(data, 0.04)
    assert loaded.all() and feet.loaded(data).all() and not air.any() and speed.max() < 0.02
    data.qpos[2] += 0.1
    data.qvel[0] = 0.5
    flight, landed = 0, np.zeros(4)
    for _ in range(10):
        environment.step(np.zeros(NU))
        speed, air, loaded = feet.watch(data, 0.04)
        assert np.array_equal(loaded, feet.loaded(data))
        flight += not loaded.any()
        assert not speed[~loaded].any() and (speed[loaded] > 0).all()
        landed = np.maximum(landed, air)
    assert flight >= 2  # a fall of 0.1 m takes 0.14 s
    assert landed.min() >= 0.08 and landed.max() <= 0.2
    assert np.allclose(landed / 0.04, np.rint(landed / 0.04))  # whole control steps
    feet.airborne[:] = 1.0
    environment.reset()
    assert not feet.airborne.any()


def test_slip_is_horizontal_speed_in_meters_a_second(toy: RobotScene) -> None:
    environment = ImitationEnvironment(plan(toy, reset_noise=0.0), seed=0)
    environment.reset()
    data = environment.data
    data.qvel[:3] = 0.3, -0.4, 0.5
    mujoco.mj_forward(toy.model, data)
    speed, _, _ = environment.task_.feet.watch(data, 0.04)
    assert np.allclose(speed, 0.5)


def test_an_action_that_is_no_number_ends_in_a_physics_error(toy: RobotScene) -> None:
    environment = ImitationEnvironment(plan(toy), seed=0)
    environment.reset()
    with pytest.raises(PhysicsError):
        environment.step(np.full(NU, np.nan))
