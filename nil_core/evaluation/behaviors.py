"""Test motions for encoders: a walk, and variations whose similarity to it is known.

All are kinematic, except the fall.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import mujoco
import numpy as np

from nil_core.card import Capability
from nil_core.components import Choice
from nil_core.config import RunConfig
from nil_core.errors import ConfigError, DataError
from nil_core.reference.generation import compose_request
from nil_core.sim.driven_joints import DrivenJoints
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles, Progress

SKIPPED_SECONDS = 1.0
"""Skipped at the beginning, where generators start from rest."""

BEHAVIOR_SECONDS = 2.5
"""Length of every behavior."""

FAST_SPEED = 1.5
"""Speed factor of the fast walk."""

POSES_PER_TICK = 2
"""Poses of the generated walk per tick, so that it can be played at half its speed."""

REFERENCE = "the walk itself"
SHIFTED, NOISY, FALLING = "0.04 s later", "joint noise 0.4 rad", "falling"
EXPECTED_ORDER = (SHIFTED, NOISY, FALLING)
"""Order, from most to least similar, in which a useful encoder ranks these behaviors."""


def walk(config: RunConfig, choice: Choice, scene: RobotScene, progress: Progress) -> Doubles:
    """Generate the walk with the chosen generator.

    Returns:
        float64 (n, nq), ``POSES_PER_TICK`` poses a tick, long enough for :func:`behaviors`.

    Raises:
        ConfigError: the generator returns no motion of the robot.
        DataError: its motion is too short.
    """
    chosen = choice["generator"]
    if not chosen.can(Capability.NEEDS_SCENE):
        raise ConfigError(
            f"generator {chosen.name} makes videos and no motion that could be varied", "use gait or mocap"
        )
    rate = POSES_PER_TICK * config.environment.tick_hz
    seconds = SKIPPED_SECONDS + FAST_SPEED * BEHAVIOR_SECONDS
    request = replace(compose_request(config, chosen, scene), fps=rate, seconds=seconds)
    trajectory = chosen.build().generate(request, progress).trajectory
    if trajectory is None or len(trajectory) < round(seconds * rate) + 1:
        raise DataError(f"generator {chosen.name} gave no motion of {seconds:g} s", "use gait or mocap")
    return np.asarray(trajectory)


def behaviors(scene: RobotScene, motion: Doubles, tick_hz: float, seed: int = 0) -> dict[str, Doubles]:
    """The walk and fifteen other behaviors.

    Args:
        scene: robot, model and standing pose.
        motion: from :func:`walk`.
        tick_hz: rate of the returned poses.
        seed: of the noise.

    Returns:
        name to poses, float64 (T, nq), one a tick for ``BEHAVIOR_SECONDS``; :data:`REFERENCE` is the walk.
    """
    ticks = np.arange(round(BEHAVIOR_SECONDS * tick_hz) + 1)
    joints = DrivenJoints.of(scene.model, scene.spec).qpos
    random = np.random.default_rng(seed)

    def played(later: float = 0.0, speed: float = 1.0) -> Doubles:
        start = round((SKIPPED_SECONDS + later) * tick_hz * POSES_PER_TICK)
        return np.asarray(motion[start + np.rint(POSES_PER_TICK * speed * ticks).astype(int)])

    def noisy(deviation: float) -> Doubles:
        poses = played()
        poses[:, joints] += random.normal(0, deviation, (len(poses), len(joints)))
        return poses

    walk = played()
    return {
        REFERENCE: walk,
        SHIFTED: played(later=0.04),
        "0.08 s later": played(later=0.08),
        "0.2 s later": played(later=0.2),
        "0.52 s later": played(later=0.52),
        "half as fast": played(speed=0.5),
        "half as fast again": played(speed=FAST_SPEED),
        "backwards": walk[::-1],
        "joint noise 0.05 rad": noisy(0.05),
        "joint noise 0.2 rad": noisy(0.2),
        NOISY: noisy(0.4),
        "turned by 90 degrees": _turned(scene, walk),
        "frozen in mid-stride": np.tile(walk[len(walk) // 2], (len(walk), 1)),
        "standing still": np.tile(scene.standing_qpos, (len(walk), 1)),
        "flailing": _flailing(scene, joints, ticks / tick_hz, random),
        FALLING: _falling(scene, walk, tick_hz),
    }


def _turned(scene: RobotScene, walk: Doubles) -> Doubles:
    root = _root_address(scene)
    poses, quarter = walk.copy(), np.array([np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)])
    for pose in poses:
        mujoco.mju_mulQuat(pose[root + 3 : root + 7], quarter, pose[root + 3 : root + 7].copy())
    return poses


def _flailing(scene: RobotScene, joints: np.ndarray, times: Doubles, random: np.random.Generator) -> Doubles:
    """Every joint swings by up to 0.8 rad about the standing pose, with its own frequency and phase."""
    poses = np.tile(scene.standing_qpos, (len(times), 1))
    rates, phases = random.uniform(0.5, 2.5, len(joints)), random.uniform(0, 2 * np.pi, len(joints))
    poses[:, joints] += 0.8 * np.sin(2 * np.pi * rates * times[:, None] + phases)
    return poses


def _falling(scene: RobotScene, walk: Doubles, tick_hz: float) -> Doubles:
    """Simulation of the walk whose motors lose power at the start."""
    model = copy.copy(scene.model)
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_ACTUATION
    data = mujoco.MjData(model)
    data.qpos[:] = walk[0]
    mujoco.mj_differentiatePos(model, data.qvel, 1 / tick_hz, walk[0], walk[1])
    poses = np.empty_like(walk)
    for pose in poses:
        pose[:] = data.qpos
        mujoco.mj_step(model, data, round(1 / (tick_hz * model.opt.timestep)))
    return poses


def _root_address(scene: RobotScene) -> int:
    """Index in qpos of the root's free joint."""
    return int(scene.model.joint(scene.model.body(scene.spec.root).jntadr[0]).qposadr[0])
