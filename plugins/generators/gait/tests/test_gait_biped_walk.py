"""Dynamically feasible walks of the paper's humanoids, whose plugins must be installed."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import mujoco
import numpy as np
import pytest

from nil_core.api import ConfigError, Doubles
from nil_core.registry import build
from nil_core.sim.environment import fallen
from nil_core.sim.scene import RobotScene, compose
from nil_core.testing import check_can_express
from nil_generator_gait import GaitOptions
from nil_generator_gait.biped_footsteps import foot_motion, heading, plan_steps, zmp_path
from nil_generator_gait.biped_walk import BipedWalk
from nil_generator_gait.footsteps import Pace
from nil_generator_gait.generator import MIN_BIPED_DUTY, plan_gait
from nil_generator_gait.pace import natural_pace
from nil_generator_gait.skills import SKILLS, find_skill
from nil_generator_gait.walker import Walker
from nil_generator_gait.zero_moment_point import TIME_STEP, PreviewController, zero_moment_point

HZ = 25
TIMES = np.arange(4 * HZ + 1) / HZ
INSTALLED = {entry.name for entry in entry_points(group="nil.robots")}
HUMANOIDS = [
    pytest.param(name, marks=pytest.mark.skipif(name not in INSTALLED, reason=f"nil-robot-{name} is not installed"))
    for name in ("h1", "g1", "talos")
]
ONE_HUMANOID = HUMANOIDS[1:2]  # for tests where one robot is sufficient
PACE = Pace(speed=0.6, frequency=1.2, duty=0.6, lift=0.07, ramp=0.4)
FEET = np.array([[0.02, 0.1], [0.02, -0.1]])


@cache
def scene(robot: str) -> RobotScene:
    return compose(build("robot", robot, {}), "pd", 0.004, 64)


@cache
def planned(robot: str, skill: str = "walking") -> tuple[Doubles, dict[str, Any]]:
    return plan_gait(scene(robot), find_skill(skill), GaitOptions(), TIMES)


def places(robot: str, trajectory: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Positions (T, G, 3) m of foot geoms, whether they are in contact (T, G), and their height (T, G) m."""
    model = scene(robot).model
    data, floor = mujoco.MjData(model), model.geom("floor").id
    geoms = [model.geom(name).id for name in scene(robot).spec.feet]
    found, heights = [], []
    for qpos in trajectory:
        data.qpos[:] = qpos
        mujoco.mj_kinematics(model, data)
        found.append(data.geom_xpos[geoms].copy())
        heights.append([mujoco.mj_geomDistance(model, data, geom, floor, 9.0, None) for geom in geoms])
    return np.array(found), np.array(heights) < 5e-3, np.array(heights)


def yaws(trajectory: Doubles) -> Doubles:
    w, x, y, z = trajectory[:, 3:7].T
    return np.unwrap(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y**2 + z**2)))


def test_the_center_of_mass_stays_if_the_zmp_does() -> None:
    controller = PreviewController(0.8)
    constant = np.full((400 + controller.preview_steps, 2), [0.3, -0.1])
    np.testing.assert_allclose(controller.follow(constant), constant[:400], atol=1e-12)


def test_the_zmp_of_the_cart_table_follows_its_path() -> None:
    """The ZMP of the cart-table is x - z / g x'': a step of 20 cm is tracked within millimeters."""
    controller = PreviewController(0.8)
    path = np.zeros((800 + controller.preview_steps, 1))
    path[400:] = 0.2
    center = controller.follow(path)[:, 0]
    acceleration = np.gradient(np.gradient(center, TIME_STEP), TIME_STEP)
    zmp = center - 0.8 / 9.81 * acceleration
    settled = np.r_[50:360, 440:760]
    np.testing.assert_allclose(zmp[settled], path[settled, 0], atol=6e-3)
    assert center[399] > 0.05  # moves before the step


def test_steps_follow_one_another_a_step_length_apart() -> None:
    steps = plan_steps(FEET, 1, PACE, 0.8, 5.0)
    length = PACE.speed / (2 * PACE.frequency)
    assert [step.leg for step in steps[:4]] == [1, 0, 1, 0]
    ahead = [step.goal[0] - step.support[0] for step in steps]
    np.testing.assert_allclose(ahead, [length / 2] + [length] * (len(steps) - 1))
    np.testing.assert_allclose([step.goal[1] for step in steps], [FEET[step.leg, 1] for step in steps])
    assert steps[0].lift_off == 0.8 and steps[1].lift_off - steps[0].landing == pytest.approx(0.1 / PACE.frequency)


@pytest.mark.parametrize("turn_rate", [0.5, -0.5])
def test_a_turn_goes_round_a_circle(turn_rate: float) -> None:
    """Footholds are at the radius of the body's arc, plus or minus half the stance width."""
    pace = Pace(0.4, 1.2, 0.6, 0.07, 0.4, turn_rate)
    steps = plan_steps(FEET - FEET.mean(axis=0), 1, pace, 0.8, 30.0)[1:]
    center = np.mean([step.goal[:2] for step in steps[: round(2 * np.pi / 0.5 * 2.4)]], axis=0)
    radii = np.array([np.hypot(*(step.goal[:2] - center)) for step in steps])
    sides = np.array([1.0 if step.leg == 0 else -1.0 for step in steps]) * np.sign(turn_rate)
    np.testing.assert_allclose(radii + 0.1 * sides, 0.4 / 0.5, atol=0.03)
    times = np.arange(2, 20, 0.1)
    np.testing.assert_allclose(np.gradient(heading(times, steps, 0.5 / 1.2), times), turn_rate, atol=1e-6)


def test_a_foot_swings_only_in_its_steps_and_the_zmp_is_under_the_other() -> None:
    steps = plan_steps(FEET, 1, PACE, 0.8, 5.0)
    times = np.arange(0, 4, 0.01)
    offsets = np.array([[0.01, -0.02], [0.01, 0.02]])
    zmp = zmp_path(times, steps, FEET.mean(axis=0), offsets)
    for leg in (0, 1):
        poses, up = foot_motion(times, steps, leg, PACE.lift)
        flying = up > 1e-9
        assert up.max() == pytest.approx(PACE.lift, rel=0.01)
        assert not np.diff(poses, axis=0)[~flying[1:] & ~flying[:-1]].any()
        standing = foot_motion(times, steps, 1 - leg, PACE.lift)[0][flying]
        np.testing.assert_allclose(zmp[flying], standing[:, :2] + offsets[1 - leg], atol=1e-12)


@pytest.mark.parametrize("robot", HUMANOIDS)
def test_the_walk_begins_in_the_standing_pose_and_has_the_requested_speed(robot: str) -> None:
    trajectory, facts = planned(robot)
    np.testing.assert_array_equal(trajectory[0], scene(robot).standing_qpos)
    assert json.loads(json.dumps(facts)) == facts and "remark" not in facts and "turn_rate" not in facts
    cycle = 1 / facts["frequency"]
    x = np.interp([4.0 - cycle, 4.0], TIMES, trajectory[:, 0])
    assert (x[1] - x[0]) / cycle == pytest.approx(facts["speed"], rel=0.03)
    early = np.flatnonzero(facts["shift"] > TIMES)
    assert np.ptp(trajectory[early, 1]) > 0.02 > np.abs(trajectory[early[: len(early) // 4]][:, :2]).max()
    model = scene(robot).model
    limited = model.jnt_limited[1:].astype(bool)
    low, high = model.jnt_range[1:].T
    assert np.all((trajectory[:, 7:] >= low - 1e-9)[:, limited] & (trajectory[:, 7:] <= high + 1e-9)[:, limited])


@pytest.mark.parametrize("robot", HUMANOIDS)
@pytest.mark.parametrize("skill", ["walking", "turning left"])
def test_feet_that_stand_do_not_move(robot: str, skill: str) -> None:
    trajectory, facts = planned(robot, skill)
    found, standing, heights = places(robot, trajectory)
    assert heights.min() > -0.02  # an ankle that cannot roll tilts its sole by as much
    both = standing[1:] & standing[:-1]
    moved = np.linalg.norm(np.diff(found, axis=0)[..., :2], axis=-1)
    assert moved[both].max() < 0.015
    assert heights.max() == pytest.approx(facts["lift"], rel=0.3)


@pytest.mark.parametrize("robot", HUMANOIDS)
def test_the_whole_body_zmp_stays_within_the_soles(robot: str) -> None:
    """In single support, the ZMP of the whole motion is inside the stance sole, within 1 cm when the swing starts
    and ends."""
    made = scene(robot)
    walker = Walker(made)
    walk = BipedWalk(made, walker)
    pace = natural_pace(walker.hip_height, 2, find_skill("walking"), GaitOptions(), 1.0)
    times = np.arange(0, 4, 0.02)
    plan = walk.plan(pace, 0.9, times)
    actual = zero_moment_point(made.model, plan.trajectory, 0.02)
    inside = []
    for step in plan.steps:
        sole = walk.soles[1 - step.leg]
        during = (times > step.lift_off + 0.04) & (times < step.landing - 0.04)
        planned_offset = plan.zmp[during] - step.support[:2]
        assert np.all(np.abs(planned_offset) <= sole.half + 1e-9)
        inside.append(np.all(np.abs(actual[during] - step.support[:2]) <= sole.half + 0.01, axis=1))
    assert np.concatenate(inside).mean() > 0.9


@pytest.mark.parametrize("robot", HUMANOIDS)
def test_open_loop_playback_keeps_the_robot_up_for_two_seconds(robot: str) -> None:
    trajectory, _ = planned(robot)
    assert seconds_up(robot, trajectory) >= 2.0


@pytest.mark.parametrize("robot", ONE_HUMANOID)
def test_a_walk_planned_without_balance_falls_at_the_first_step(robot: str) -> None:
    trajectory, facts = plan_gait(scene(robot), find_skill("walking"), GaitOptions(plausible=False), TIMES)
    assert "shift" not in facts and seconds_up(robot, trajectory) < 1.2


def seconds_up(robot: str, trajectory: Doubles) -> float:
    """Time until the fall in s, with the joint angles as PD targets at 25 Hz."""
    made = scene(robot)
    model, data = made.model, mujoco.MjData(made.model)
    columns = [model.joint(actuator.joint).qposadr[0] for actuator in made.spec.actuators]
    data.qpos[:] = made.standing_qpos
    for tick, pose in enumerate(trajectory[1:]):
        data.ctrl[:] = made.standing_ctrl + pose[columns] - made.standing_qpos[columns]
        mujoco.mj_step(model, data, 10)
        if fallen(data, model.body(made.spec.root).id, made.spec.fall):
            return tick / HZ
    return (len(trajectory) - 1) / HZ


@pytest.mark.parametrize("robot", HUMANOIDS)
@pytest.mark.parametrize("skill", ["walking", "walking backwards", "stepping in place", "turning right"])
def test_the_robots_actions_can_express_it(robot: str, skill: str) -> None:
    check_can_express(scene(robot), planned(robot, skill)[0], HZ)


@pytest.mark.parametrize("robot", ONE_HUMANOID)
def test_turning_has_the_requested_rate_and_direction(robot: str) -> None:
    for skill, sign in (("turning left", 1), ("turning right", -1)):
        trajectory, facts = planned(robot, skill)
        assert np.sign(facts["turn_rate"]) == sign and facts["speed"] == 0
        cycle = 1 / facts["frequency"]
        turned = np.interp([4.0 - cycle, 4.0], TIMES, yaws(trajectory))
        assert (turned[1] - turned[0]) / cycle == pytest.approx(facts["turn_rate"], rel=0.01)
        assert np.abs(trajectory[:, :2]).max() < 0.1


@pytest.mark.parametrize("robot", ONE_HUMANOID)
def test_options_set_speed_turn_crouch_and_shift(robot: str) -> None:
    options = GaitOptions(speed=0.4, turn_rate=0.3, crouch=0.08, shift=1.2, lift=0.05, frequency=1.4)
    trajectory, facts = plan_gait(scene(robot), find_skill("turning left"), options, TIMES)
    asked = {"speed": 0.4, "turn_rate": 0.3, "crouch": 0.08, "shift": 1.2, "lift": 0.05, "frequency": 1.4}
    assert {name: facts[name] for name in asked} == asked
    assert trajectory[-1, 2] == pytest.approx(scene(robot).standing_qpos[2] - 0.08)
    assert not places(robot, trajectory[TIMES < 1.2])[2].max() > 1e-3
    late = np.linalg.norm(np.diff(trajectory[-HZ:, :2], axis=0), axis=1).mean() * HZ
    assert late == pytest.approx(0.4, rel=0.2)


@pytest.mark.parametrize("robot", ONE_HUMANOID)
def test_a_run_becomes_a_faster_walk_with_a_remark(robot: str) -> None:
    walk, run = planned(robot)[1], planned(robot, "running")[1]
    assert run["speed"] > walk["speed"] and run["duty"] >= MIN_BIPED_DUTY
    assert "faster walk" in run["remark"]
    with pytest.raises(ConfigError, match=r"generator.duty = 0.4") as caught:
        plan_gait(scene(robot), find_skill("running"), GaitOptions(duty=0.4), TIMES)
    assert "generator.plausible=false" in caught.value.hint


def test_turning_is_found_by_its_synonyms() -> None:
    assert find_skill("turn left").turn == 1 == -find_skill("Turning to the  right").turn
    assert [skill.name for skill in SKILLS if skill.turn] == ["turning left", "turning right"]
