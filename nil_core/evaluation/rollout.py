"""Rollout of whole episodes of a policy, with the reward and further metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nil_core.evaluation.step_records import Recorder, StepRecords
from nil_core.interfaces import Reward, TermRow
from nil_core.reward.pictures import PictureTerms
from nil_core.sim.environment import State
from nil_core.tick import Arrays, Tick
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
        records: further measurements after every control step; None for environments without them.
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
    records: StepRecords | None = None


def rollout(
    env: VectorEnvLike,
    start: State,
    reward: Reward,
    policy: Policy,
    horizon: int,
    record: bool = False,
    metrics: PictureTerms | None = None,
    recorder: Recorder | None = None,
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
        recorder: splits the further columns of the environments' state terms, which the reward does not see.

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

    scorer = reward if recorder is None else _OwnStateTerms(reward)
    collector = Collector(env, scorer, score_ticks=SCORE_TICKS)
    env.restore(start)
    collector.start()
    for _ in range(horizon):
        collector.step(policy, keep)
        if collector.episodes_ended.all():
            break
    collector.score(keep)
    return [_episode(ticks, recorder, len(reward.state_terms)) for ticks in episodes]


class _OwnStateTerms:
    """A reward that sees only its own columns of the state terms (implements :class:`nil_core.interfaces.Reward`)."""

    def __init__(self, reward: Reward) -> None:
        self._reward = reward
        self.needs, self.state_terms = reward.needs, reward.state_terms

    def rows(self) -> Sequence[TermRow]:
        return self._reward.rows()

    def score(self, ticks: Sequence[Tick]) -> None:
        columns = [tick.state_terms for tick in ticks]
        for tick in ticks:
            tick.state_terms = tick.state_terms[:, : len(self.state_terms)]
        self._reward.score(ticks)
        for tick, whole in zip(ticks, columns, strict=True):
            tick.state_terms = whole

    def state(self) -> Arrays:
        return self._reward.state()

    def restore(self, state: Arrays) -> None:
        self._reward.restore(state)


def _measure(metrics: PictureTerms, ticks: Sequence[Tick]) -> None:
    """Add the terms that the reward has not measured itself to ticks."""
    ended = [tick for tick in ticks if not tick.begins]
    for name, values in metrics.measure(ticks).items():
        for tick, value in zip(ended, values, strict=True):
            tick.terms.setdefault(name, float(value))


def _episode(ticks: Sequence[Tick], recorder: Recorder | None, own_terms: int) -> Episode:
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
        records=None
        if recorder is None
        else recorder.records(np.concatenate([tick.state_terms[:, own_terms:] for tick in scored])),
    )
