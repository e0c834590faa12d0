"""A small quadruped that trots without physics: demonstrations, and rewards that learn from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from nil_core.demonstrations.files import write_demonstrations
from nil_core.demonstrations.trajectories import Demonstrations
from nil_core.interfaces import LearnedReward
from nil_core.sim.motion import velocities
from nil_core.testing.quadruped import toy_scene
from nil_core.tick import Tick
from nil_core.types import Doubles, Floats, Reference, RewardSpec, Scene

HZ, TICK_HZ, SPEED, PERIOD = 100.0, 25.0, 0.5, 0.5
ROUNDS = 25
BATCH = 40


def trot(scene: Scene, seconds: float, hz: float = HZ) -> Doubles:
    """Poses (T, nq) of a :func:`~nil_core.testing.toy_scene` whose legs swing in diagonal pairs, at 0.5 m/s."""
    times = np.arange(round(seconds * hz) + 1) / hz
    qpos = np.tile(scene.standing_qpos, (len(times), 1))
    qpos[:, 0] = SPEED * times
    for i, actuator in enumerate(scene.spec.actuators):
        if not actuator.joint.endswith("hip"):
            address = scene.model.joint(actuator.joint).qposadr[0]
            qpos[:, address] += 0.2 * np.sin(2 * np.pi * times / PERIOD + np.pi * (i // 3 in (1, 2)))
    return qpos


def toy_demonstrations(scene: Scene, actions: bool = False) -> Demonstrations:
    """Two trajectories of 1 s and 0.48 s, 100 rows per second; with ``actions`` at 25 Hz, with random ones."""
    hz = TICK_HZ if actions else HZ
    parts = [trot(scene, seconds, hz) for seconds in (1.0, 0.48)]
    rows = sum(len(part) for part in parts)
    size = len(scene.spec.actuators)
    return Demonstrations(
        robot=scene.spec.name,
        joints=tuple(actuator.joint for actuator in scene.spec.actuators),
        hz=hz,
        lengths=np.array([len(part) for part in parts], np.int64),
        qpos=np.concatenate(parts),
        qvel=np.concatenate([velocities(scene.model, part, hz) for part in parts]),
        actions=np.random.default_rng(0).uniform(-1, 1, (rows, size)).astype(np.float32) if actions else None,
        provenance={"kind": "test"},
    )


def write_toy_demonstrations(folder: Path, actions: bool = False) -> Path:
    """Write :func:`toy_demonstrations` of a toy quadruped to a file in a folder; gives its path."""
    path = folder / ("acted.npz" if actions else "walk.npz")
    write_demonstrations(path, toy_demonstrations(toy_scene(size=16), actions))
    return path


def toy_reward_spec(scene: Scene, num_envs: int = 1, seed: int = 0) -> RewardSpec:
    """What a reward of states is built with: 25 ticks per second, and no picture."""
    nothing = np.zeros((2, 1, 1, 3), np.uint8)
    reference = Reference(
        nothing, nothing[..., 0] > 0, np.zeros((2, 0), np.float32), np.zeros((2, 0), np.float32), TICK_HZ
    )
    return RewardSpec(reference, num_envs, "whole", lambda: None, seed, scene=scene)


def ticks_of(qpos: Doubles, qvel: Doubles, actions: Doubles | Floats | None = None) -> list[Tick]:
    """One episode of one environment through states (T, nq) and (T, nv), one control step a tick; not scored."""
    acts = np.zeros((len(qpos), 1)) if actions is None else actions
    return [
        Tick(
            env=0,
            index=index,
            observations=np.zeros((min(index, 1), 1), np.float32),
            actions=acts[index - 1 : index].astype(np.float32) if index else np.zeros((0, acts.shape[1]), np.float32),
            next_observations=np.zeros((min(index, 1), 1), np.float32),
            terminated=np.zeros(min(index, 1), np.bool_),
            truncated=np.zeros(min(index, 1), np.bool_),
            state_terms=np.zeros((min(index, 1), 0), np.float32),
            speed=qvel[index : index + min(index, 1), 0].astype(np.float32),
            environment_reward=np.zeros(min(index, 1), np.float32),
            qpos=qpos[index],
            qvel=qvel[index],
        )
        for index in range(len(qpos))
    ]


def random_motion(scene: Scene, ticks: int, seed: int) -> tuple[Doubles, Doubles]:
    """States (ticks + 1, nq) and (ticks + 1, nv) of a robot that jerks its joints about the standing pose."""
    random = np.random.default_rng(seed)
    qpos = np.tile(scene.standing_qpos, (ticks + 1, 1))
    qpos[:, 7:] += random.uniform(-0.25, 0.25, (ticks + 1, scene.model.nq - 7))
    return qpos, velocities(scene.model, qpos, TICK_HZ)


def check_tells_apart(make: Callable[[RewardSpec], LearnedReward]) -> None:
    """Whether a reward that learns from :func:`toy_demonstrations` comes to prefer them to random motions.

    Args:
        make: constructs the reward, with options by which it learns at least once in 40 ticks.

    Raises:
        AssertionError: it does not.
    """
    scene = toy_scene(size=16)
    reward = make(toy_reward_spec(scene))
    for seed in range(ROUNDS):
        ticks = ticks_of(*random_motion(scene, BATCH, seed), actions=_random_actions(scene, seed))
        reward.score(ticks)
        logged = reward.learn(ticks)
    assert logged["expert_score"] > logged["agent_score"], f"it tells expert from agent: {logged}"
    shown = trot(scene, 1.0, TICK_HZ)
    demonstrations = toy_demonstrations(scene, actions=True)
    expert = ticks_of(shown, velocities(scene.model, shown, TICK_HZ), demonstrations.trajectory(0).actions)
    agent = ticks_of(*random_motion(scene, BATCH, ROUNDS), actions=_random_actions(scene, ROUNDS))
    means = []
    for ticks in (expert, agent):
        reward.score(ticks)
        means.append(np.mean([tick.terms["style"] for tick in ticks if not tick.begins]))
    assert means[0] > means[1] + 0.1, f"what is demonstrated is rewarded more than what is not: {means}"


def _random_actions(scene: Scene, seed: int) -> Doubles:
    return np.random.default_rng(seed + 1000).uniform(-1, 1, (BATCH, len(scene.spec.actuators)))
