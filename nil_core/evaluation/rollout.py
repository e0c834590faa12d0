"""Rollout of whole episodes of a policy, with the reward and further metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nil_core.interfaces import Reward
from nil_core.reward.pictures import PictureTerms
from nil_core.sim.environment import State
from nil_core.tick import Tick
from nil_core.train.collect import Collector, Policy, VectorEnvLike
from nil_core.types import Doubles, Floats, Frames, Masks

SCORE_TICKS = 64
"""Ticks of all environments that are scored in one batch."""


@dataclass(frozen=True)
class Episode:
    """One episode.

    Attributes:
        observations: float32 (steps, obs), inputs of the policy.
        rewards: float32 (ticks,), the reward.
        terms: terms of the reward and further metrics, (ticks,) each.
        speed: float32 (steps,), forward speed in m/s.
        environment_reward: float32 (steps,), the task's own.
        fell: whether it ended in a fall.
        qpos: float64 (ticks + 1, nq), the first row is the start.
        frames, masks: uint8 (ticks + 1, S, S, 3) and bool, if recorded.
    """

    observations: Floats
    rewards: Floats
    terms: dict[str, Floats]
    speed: Floats
    environment_reward: Floats
    fell: bool
    qpos: Doubles
    frames: Frames
    masks: Masks


def rollout(
    env: VectorEnvLike,
    start: State,
    reward: Reward,
    policy: Policy,
    horizon: int,
    record: bool = False,
    metrics: PictureTerms | None = None,
) -> list[Episode]:
    """Run one episode in every environment.

    Args:
        env: the environments.
        start: the state to begin from, so that the same call always gives the same episodes.
        reward: for as many environments.
        policy: observations (N, obs) to actions (N, act).
        horizon: control steps in a full episode.
        record: keep frames and masks of the first environment.
        metrics: measured in addition to the reward, independent of its weights.

    Returns:
        an episode per environment.
    """
    episodes: list[list[Tick]] = [[] for _ in range(env.num_envs)]

    def keep(ticks: Sequence[Tick]) -> None:
        if metrics is not None:
            _measure(metrics, ticks)
        for tick in ticks:
            if not (record and tick.env == 0):
                tick.frame = tick.mask = None
            if not (episodes[tick.env] and episodes[tick.env][-1].ended):
                episodes[tick.env].append(tick)

    collector = Collector(env, reward, score_ticks=SCORE_TICKS)
    env.restore(start)
    collector.start()
    for _ in range(horizon):
        collector.step(policy, keep)
        if collector.episodes_ended.all():
            break
    collector.score(keep)
    return [_episode(ticks) for ticks in episodes]


def _measure(metrics: PictureTerms, ticks: Sequence[Tick]) -> None:
    """Add the terms that the reward has not measured itself to ticks."""
    ended = [tick for tick in ticks if not tick.begins]
    for name, values in metrics.measure(ticks).items():
        for tick, value in zip(ended, values, strict=True):
            tick.terms.setdefault(name, float(value))


def _episode(ticks: Sequence[Tick]) -> Episode:
    scored = ticks[1:]  # the first one begins the episode
    empty = np.empty((0, 0, 0, 3), np.uint8)
    frames = [tick.frame for tick in ticks if tick.frame is not None]
    masks = [tick.mask for tick in ticks if tick.mask is not None]
    return Episode(
        observations=np.concatenate([tick.observations for tick in scored]),
        rewards=np.array([tick.reward for tick in scored], np.float32),
        terms={name: np.array([tick.terms[name] for tick in scored], np.float32) for name in scored[0].terms},
        speed=np.concatenate([tick.speed for tick in scored]),
        environment_reward=np.concatenate([tick.environment_reward for tick in scored]),
        fell=scored[-1].fell,
        qpos=np.stack([tick.qpos for tick in ticks]),
        frames=np.stack(frames) if frames else empty,
        masks=np.stack(masks) if masks else empty[..., 0].astype(np.bool_),
    )
