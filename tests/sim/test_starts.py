"""Episodes that start anywhere in a motion: states, sampling, and exact continuation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_core.sim import gl
from nil_core.testing import ToyQuadruped
from nil_core.types import FallLimits

gl.choose_backend()

import mujoco  # noqa: E402

from nil_core.config import EnvironmentSettings, MotionSettings  # noqa: E402
from nil_core.sim.deviation import Deviation  # noqa: E402
from nil_core.sim.environment import EnvSpec, ImitationEnvironment, upright_poses  # noqa: E402
from nil_core.sim.motion import velocities  # noqa: E402
from nil_core.sim.scene import RobotScene, compose  # noqa: E402
from nil_core.sim.starts import (  # noqa: E402
    JOINT_NOISE,
    MIN_BINS,
    SPEED_NOISE,
    TILT_NOISE,
    YAW_NOISE,
    FootClearance,
    Starts,
    StartSampler,
)
from nil_core.sim.vector_env import VectorEnv  # noqa: E402

NU, TICKS, HZ = 12, 40, 25.0


@pytest.fixture(scope="module")
def toy() -> RobotScene:
    return compose(ToyQuadruped(), "pd", 0.004, 48, simplify=False)


def joints(scene: RobotScene) -> np.ndarray:
    return np.array([scene.model.joint(a.joint).qposadr[0] for a in scene.spec.actuators])


def walk(scene: RobotScene) -> np.ndarray:
    """A robot that swings its joints, turns a little, and moves forward and sideways: (TICKS + 1, nq)."""
    qpos = np.tile(scene.standing_qpos, (TICKS + 1, 1))
    times = np.arange(TICKS + 1)
    qpos[:, joints(scene)] += 0.05 * np.sin(0.4 * times[:, None] + np.arange(NU))
    qpos[:, 0] += 0.02 * times
    qpos[:, 1] += 0.003 * times
    for pose, t in zip(qpos, times, strict=True):
        mujoco.mju_axisAngle2Quat(pose[3:7], np.array([0.0, 0.0, 1.0]), 0.01 * t)
    return qpos


def starts(scene: RobotScene, qpos: np.ndarray | None = None, **settings: Any) -> Starts:
    qpos = walk(scene) if qpos is None else qpos
    given_settings = MotionSettings(**({"start_share": 1.0} | settings))
    found = Starts.from_motion(scene, qpos, HZ, given_settings, upright_poses(scene, qpos))
    assert found is not None
    return found


def plan(scene: RobotScene, found: Starts | None, **settings: Any) -> EnvSpec:
    nothing = np.zeros((TICKS + 1, 0), np.float32)
    return EnvSpec(scene, EnvironmentSettings(**settings), TICKS, nothing, None, starts=found)


def test_without_noise_an_episode_starts_in_the_motion(toy: RobotScene) -> None:
    found = starts(toy, start_noise=0.0)
    environment = ImitationEnvironment(plan(toy, found), seed=0)
    feet, standing, motion = FootClearance(toy), FootClearance(toy).of(toy.standing_qpos), walk(toy)
    rates = velocities(toy.model, motion, HZ)
    ticks = set()
    for _ in range(60):
        environment.reset()
        tick, qpos = environment.task_.start_tick, environment.data.qpos
        ticks.add(tick)
        others = [i for i in range(toy.model.nq) if i != 2]
        np.testing.assert_allclose(qpos[others], motion[tick, others], atol=1e-12)
        np.testing.assert_allclose(environment.data.qvel, rates[tick], atol=1e-12)
        assert feet.of(qpos) == pytest.approx(max(standing, feet.of(motion[tick])), abs=1e-6)
    assert len(ticks) > 20 and min(ticks) >= 0 and max(ticks) <= TICKS - round(0.2 * HZ)


def test_noise_stays_within_its_bounds_and_the_feet_on_the_floor(toy: RobotScene) -> None:
    motion = np.tile(toy.standing_qpos, (TICKS + 1, 1))
    standing = FootClearance(toy).of(toy.standing_qpos)
    for noise in (0.5, 1.0):
        environment = ImitationEnvironment(plan(toy, starts(toy, motion, start_noise=noise)), seed=1)
        changes, speeds = [], []
        for _ in range(40):
            environment.reset()
            change = np.zeros(toy.model.nv)
            mujoco.mj_differentiatePos(toy.model, change, 1.0, toy.standing_qpos, environment.data.qpos)
            changes.append(change)
            speeds.append(environment.data.qvel.copy())
            assert FootClearance(toy).of(environment.data.qpos) == pytest.approx(standing, abs=1e-6)
        change, speed = np.array(changes), np.array(speeds)
        assert np.abs(change[:, :2]).max() == 0
        for columns, bound in ((slice(3, 5), TILT_NOISE), (slice(5, 6), YAW_NOISE), (slice(6, None), JOINT_NOISE)):
            assert 0.8 * noise * bound < np.abs(change[:, columns]).max() <= noise * bound + 1e-9
        assert 0.8 * noise * SPEED_NOISE < np.abs(speed[:, :6]).max() <= noise * SPEED_NOISE
        assert np.abs(speed[:, 6:]).max() < 1e-9


@pytest.mark.parametrize("per_tick", [1, 5])
def test_time_in_the_reference_stays_absolute(toy: RobotScene, per_tick: int) -> None:
    settings = {"control_hz": HZ * per_tick, "tick_hz": HZ}
    with VectorEnv(plan(toy, starts(toy), **settings), 2, 0, seed=4, render=False) as simulation:
        buffers = simulation.reset()
        phase = ImitationEnvironment(plan(toy, None, **settings), 0).task_.observer.layout["phase"]
        at = buffers.start_tick * per_tick
        assert at.any()
        np.testing.assert_allclose(buffers.observations[:, phase.start], at / (TICKS * per_tick), atol=1e-6)
        for _ in range(3 * TICKS * per_tick):
            buffers = simulation.step(np.zeros((2, NU), np.float32))
            at += 1
            assert (buffers.tick == -(-at // per_tick)).all()
            assert (buffers.truncated == ((at == TICKS * per_tick) & ~buffers.terminated)).all()
            at = np.where(buffers.ended, buffers.start_tick * per_tick, at)


def test_the_share_of_starts_in_the_motion(toy: RobotScene) -> None:
    environment = ImitationEnvironment(plan(toy, starts(toy, start_share=0.3), reset_noise=0.0), seed=2)
    at_rest = 0
    for _ in range(300):
        environment.reset()
        if environment.task_.start_tick == 0 and not environment.data.qvel.any():
            assert (environment.data.qpos == toy.standing_qpos).all()
            at_rest += 1
    assert 170 < at_rest < 245


def test_no_episode_starts_where_the_robot_counts_as_fallen(toy: RobotScene) -> None:
    motion = walk(toy)
    motion[5:30, 2] = 0.0
    limits = replace(toy, spec=replace(toy.spec, fall=FallLimits(min_height=0.5 * toy.standing_qpos[2])))
    found = starts(limits, motion)
    assert not set(found.ticks) & set(range(5, 30))
    motion[:, 2] = 0.0
    assert Starts.from_motion(limits, motion, HZ, MotionSettings(), upright_poses(limits, motion)) is None


@given(st.lists(st.tuples(st.integers(0, TICKS - 1), st.integers(1, TICKS), st.booleans()), max_size=60))
def test_bins_where_episodes_fail_are_drawn_more_often(toy: RobotScene, lives: list[tuple[int, int, bool]]) -> None:
    sampler = StartSampler(starts(toy), toy)
    for start, length, failed in lives:
        sampler.note_end(start, min(start + length, TICKS), failed)
    shares = sampler.shares()
    assert len(shares) == MIN_BINS and shares.sum() == pytest.approx(1.0)
    assert shares.min() >= 0.1 / MIN_BINS - 1e-9, "a tenth is spread evenly"
    assert sampler.failures.min() >= 0 and sampler.failures.max() <= 1
    if not any(failed for *_, failed in lives):
        np.testing.assert_allclose(shares, 1 / MIN_BINS)
    for _ in range(300):
        sampler.note_end(0, TICKS, False)
        sampler.note_end(15, 17, True)
    shares = sampler.shares()
    assert shares.argmax() == 17 * MIN_BINS // TICKS and np.argsort(shares)[-2] == 17 * MIN_BINS // TICKS - 1
    assert shares.max() > 0.2


def test_bins_that_are_passed_more_often_are_not_drawn_more_often(toy: RobotScene) -> None:
    """Every bin is as hard as any other; most episodes start late."""
    sampler, random = StartSampler(starts(toy), toy), np.random.default_rng(0)
    mean = np.zeros(MIN_BINS)
    for _ in range(4000):
        start = tick = int(random.choice([0, 20, 30], p=[0.1, 0.3, 0.6]))
        while tick < TICKS and random.random() > 0.02:
            tick += 1
        sampler.note_end(start, tick, tick < TICKS)
        mean += sampler.failures / 4000
    assert mean.max() < 1.4 * mean.min()


def test_drawn_ticks_follow_the_shares(toy: RobotScene) -> None:
    sampler, random = StartSampler(starts(toy), toy), np.random.default_rng(0)
    for _ in range(40):
        sampler.note_end(10, 12, True)
    drawn = np.array([sampler.draw(random) for _ in range(4000)])
    counts = np.bincount((drawn / (TICKS / MIN_BINS)).astype(int), minlength=MIN_BINS) / len(drawn)
    np.testing.assert_allclose(counts, sampler.shares(), atol=0.03)


@pytest.mark.parametrize("steps", [0, 1, 7, 60])
def test_failures_are_noted_and_everything_goes_on_exactly(toy: RobotScene, steps: int) -> None:
    """From the moment of a start and from later ones, in the environment itself and in another one."""
    weak = replace(toy, spec=replace(toy.spec, fall=FallLimits(toy.standing_qpos[2] - 0.01)))
    one, other = (ImitationEnvironment(plan(weak, starts(toy)), seed) for seed in (3, 99))
    one.reset()
    actions = np.random.default_rng(0).uniform(-1, 1, (160, NU)).astype(np.float32)
    for action in actions[:steps]:
        one.step(action)
    saved = one.state()
    assert one.task_.sampler is not None and (saved["failures"] == one.task_.sampler.failures).all()
    assert steps < 60 or saved["failures"].any()
    lived = [one.observe(one.step(action)).tolist() for action in actions[steps:]]
    last = one.state()
    for environment in (other, one):
        environment.restore(saved)
        assert [environment.observe(environment.step(action)).tolist() for action in actions[steps:]] == lived
        assert environment.state().tobytes() == last.tobytes()


def test_without_starts_nothing_more_is_saved(toy: RobotScene) -> None:
    plain = ImitationEnvironment(plan(toy, None), 0)
    uniform = ImitationEnvironment(plan(toy, starts(toy, start_adaptive=False)), 0)
    assert "failures" not in plain.state_type.names and uniform.state_type == plain.state_type


def test_an_episode_ends_far_from_the_motion(toy: RobotScene) -> None:
    free = replace(toy, spec=replace(toy.spec, fall=FallLimits(-1.0, 9.0, 9.0)))
    motion = np.tile(toy.standing_qpos, (TICKS + 1, 1))
    nothing = np.zeros((TICKS + 1, 0), np.float32)

    def length(motion: np.ndarray, limit: float) -> tuple[int, float]:
        deviation = Deviation.from_motion(motion, 1, limit)
        settings = EnvironmentSettings(reset_noise=0.0)
        environment = ImitationEnvironment(EnvSpec(free, settings, TICKS, nothing, None, deviation=deviation), 0)
        step, lived = environment.reset(), 0
        while not step.last():
            step, lived = environment.step(np.zeros(NU, np.float32)), lived + 1
        return lived, step.discount

    assert length(motion, 0.05) == (TICKS, 1.0)
    rising = motion.copy()
    rising[:, 2] += 0.01 * np.arange(TICKS + 1)
    lived, discount = length(rising, 0.105)
    assert discount == 0.0 and abs(lived - 11) <= 1
    tilting = motion.copy()
    for t, pose in enumerate(tilting):
        mujoco.mju_axisAngle2Quat(pose[3:7], np.array([1.0, 0.0, 0.0]), 0.02 * t)
    lived, discount = length(tilting, 0.1)
    assert discount == 0.0 and abs(lived - 16) <= 1, "0.3 rad"
