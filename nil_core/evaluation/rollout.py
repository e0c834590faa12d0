"""Whole episodes of a policy, scored: the imitation reward and, beside it, metrics it was not trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from nil_core.reward.imitation import RewardSource
from nil_core.sim.vector_env import State, VectorEnv
from nil_core.types import Doubles, Floats, Frames, Masks

Policy = Callable[[Floats], Floats]
FLUSH = 64


@dataclass(frozen=True)
class Episode:
    """One episode.

    Attributes:
        rewards: float32 (ticks,), the imitation reward.
        parts: what it consists of, (ticks,) each.
        speed: float32 (steps,), forward speed in m/s.
        environment_reward: float32 (steps,), exp(-(v - v_ref)^2).
        fell: it ended in a fall.
        qpos: float64 (ticks + 1, nq), the first row the start's.
        frames, masks: uint8 (ticks + 1, S, S, 3) and bool, where recorded.
    """

    rewards: Floats
    parts: dict[str, Floats]
    speed: Floats
    environment_reward: Floats
    fell: bool
    qpos: Doubles
    frames: Frames
    masks: Masks


@dataclass
class _Recording:
    rewards: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)
    speed: list[float] = field(default_factory=list)
    environment_reward: list[float] = field(default_factory=list)
    fell: bool = False
    over: bool = False
    qpos: list[Doubles] = field(default_factory=list)
    frames: list[Frames] = field(default_factory=list)
    masks: list[Masks] = field(default_factory=list)


def rollout(
    simulation: VectorEnv, start: State, source: RewardSource, policy: Policy, horizon: int, record: bool = False
) -> list[Episode]:
    """One episode in every environment of a simulation.

    Args:
        simulation: with rendering.
        start: the state to begin from, so that the same call gives the same episodes whenever it is made.
        source: the reward, for as many environments.
        policy: observations (N, obs) to actions (N, act).
        horizon: control steps in a full episode.
        record: keep frames and masks of the first environment.

    Returns:
        an episode per environment.
    """
    simulation.restore(start)
    buffers = simulation.reset()
    source.reset(buffers)
    records = [_Recording(qpos=[qpos.copy()]) for qpos in buffers.qpos]
    waiting: list[int] = []
    if record:
        records[0].frames.append(buffers.start_frames[0].copy())
        records[0].masks.append(buffers.start_masks[0].copy())
    for _ in range(horizon):
        buffers = simulation.step(policy(buffers.observations.copy()))
        source.observe(buffers)
        for i, episode in enumerate(records):
            if buffers.ticked[i]:
                waiting.append(-1 if episode.over else i)
            if episode.over:
                continue
            episode.speed.append(float(buffers.speed[i]))
            episode.environment_reward.append(float(buffers.environment_reward[i]))
            if buffers.ticked[i]:
                episode.qpos.append(buffers.qpos[i].copy())
                if record and i == 0:
                    episode.frames.append(buffers.frames[0].copy())
                    episode.masks.append(buffers.masks[0].copy())
            episode.fell, episode.over = bool(buffers.terminated[i]), bool(buffers.ended[i])
        if source.waiting >= FLUSH:
            _score(source, records, waiting)
        if all(episode.over for episode in records):
            break
    _score(source, records, waiting)
    return [_finished(episode) for episode in records]


def _score(source: RewardSource, records: list[_Recording], waiting: list[int]) -> None:
    scored = source.rewards()
    for row, i in enumerate(waiting):
        if i >= 0:
            records[i].rewards.append(float(scored.total[row]))
            for name, values in scored.parts.items():
                records[i].parts.setdefault(name, []).append(float(values[row]))
    waiting.clear()


def _finished(r: _Recording) -> Episode:
    empty = np.empty((0, 0, 0, 3), np.uint8)
    return Episode(
        rewards=np.array(r.rewards, np.float32),
        parts={name: np.array(values, np.float32) for name, values in r.parts.items()},
        speed=np.array(r.speed, np.float32),
        environment_reward=np.array(r.environment_reward, np.float32),
        fell=r.fell,
        qpos=np.stack(r.qpos),
        frames=np.stack(r.frames) if r.frames else empty,
        masks=np.stack(r.masks) if r.masks else empty[..., 0].astype(np.bool_),
    )
