"""Whether each reward that learns from demonstrations teaches the swing-up that a learned expert shows.

An expert is trained on the pendulum's own reward. What it does is shown as states alone. Then agents learn from each
reward, which is given no more than those states, and are evaluated by the pendulum's own reward: a policy that does
nothing gets about -1200, one that swings up about -150.

    python benchmarks/imitate_pendulum.py --rewards amp gaifo drail --steps 10000 --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from pendulum import HORIZON, Pendulums, build, evaluate, learn, show

from nil_core import registry
from nil_core.api import (
    Agent,
    Demonstrations,
    Doubles,
    Floats,
    LearnedReward,
    Tick,
    read_demonstrations,
    write_demonstrations,
)
from nil_core.testing import toy_reward_spec, toy_scene

HZ = 25.0  # of the stand-in reference
EXPERT_ENVS, EXPERT_SEED = 4, 100
SAC = {"critic_warmup": 0, "gamma": 0.98, "initial_temperature": 0.1, "initial_std": 0.5}
REWARDS: dict[str, dict[str, Any]] = {
    "amp": {"task_share": 0.0, "hidden": (128, 128)},
    "gaifo": {},
    "drail": {},
}
"""Options: the defaults, but for the task of walking and a network that is large for three numbers."""


class States:
    """Stands in for the features of a robot's states: what a pendulum observes."""

    size = 3

    def __call__(self, qpos: Doubles, qvel: Doubles) -> Floats:
        angle = qpos[:, 0]
        return np.stack([np.cos(angle), np.sin(angle), qvel[:, 0]], axis=1).astype(np.float32)

    def pairs(self, demonstrations: Demonstrations, hz: float) -> tuple[Floats, Floats]:
        rows, features = demonstrations.pairs(), self(demonstrations.qpos, demonstrations.qvel)
        return features[rows], features[rows + 1]


class Imitation:
    """Rewards of pendulums by a reward that learns."""

    def __init__(self, reward: LearnedReward) -> None:
        self._reward, self._index = reward, 0

    def reset(self, pendulums: Pendulums) -> None:
        """An episode begins in each."""
        self._index = 0
        ticks = self._ticks(pendulums, np.zeros((len(pendulums.angle), 0, 1), np.float32))
        self._reward.score(ticks)
        self._reward.learn(ticks)

    def rewards(self, pendulums: Pendulums, actions: Floats) -> Floats:
        """Rewards (N,) after a step, from which the reward then learns."""
        self._index += 1
        ticks = self._ticks(pendulums, actions[:, None])
        self._reward.score(ticks)
        self._reward.learn(ticks)
        return np.array([tick.reward for tick in ticks], np.float32)

    def _ticks(self, pendulums: Pendulums, actions: Floats) -> list[Tick]:
        steps = actions.shape[1]
        nothing, never = np.zeros((steps, 0), np.float32), np.zeros(steps, np.bool_)
        return [
            Tick(
                env=env,
                index=self._index,
                observations=nothing,
                actions=actions[env],
                next_observations=nothing,
                terminated=never,
                truncated=never,
                state_terms=nothing,
                speed=np.zeros(steps, np.float32),
                environment_reward=np.zeros(steps, np.float32),
                qpos=pendulums.angle[env : env + 1].copy(),
                qvel=pendulums.speed[env : env + 1].copy(),
            )
            for env in range(len(pendulums.angle))
        ]


def expert_episodes(file: Path, steps: int, episodes: int) -> Demonstrations:
    """Episodes of an expert: those in a file, or new ones, which are written to it."""
    if not file.exists():
        expert = build("sac", SAC, steps, EXPERT_ENVS, EXPERT_SEED)
        learn(expert, steps, EXPERT_ENVS, EXPERT_SEED, steps)
        print(f"expert: {evaluate(expert):.0f}", flush=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_demonstrations(file, demonstrate(expert, episodes))
    return read_demonstrations(file)


def demonstrate(expert: Agent, episodes: int) -> Demonstrations:
    """Episodes of the expert: states alone."""
    pendulums = Pendulums(episodes, 2)
    angles, speeds = [pendulums.angle], [pendulums.speed]
    for _ in range(HORIZON):
        pendulums.step(expert.act(pendulums.observe(), False))
        angles.append(pendulums.angle)
        speeds.append(pendulums.speed)
    qpos, qvel = (np.stack(rows, axis=1).reshape(-1, 1) for rows in (angles, speeds))
    return Demonstrations("pendulum", ("hinge",), HZ, np.full(episodes, HORIZON + 1), qpos, qvel)


def imitation(name: str, options: dict[str, Any], shown: Demonstrations, num_envs: int, seed: int) -> Imitation:
    """A reward of nil that compares pendulums instead of robots."""
    module = "nil_core.learning.adversarial"
    spec = toy_reward_spec(toy_scene(size=16), num_envs, seed)
    with patch(f"{module}.StateFeatures", lambda *_: States()), patch(f"{module}.read_any", lambda *_: shown):
        reward: LearnedReward = registry.build("reward", name, {"demonstrations": Path("expert.npz"), **options}, spec)
    return Imitation(reward)


def main() -> None:
    """Train the expert, then every seed of every reward; print a Markdown table for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rewards", nargs="+", default=list(REWARDS))
    parser.add_argument("--agent", default="sac")
    parser.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE", help="an option of the reward")
    parser.add_argument("--set-agent", action="append", default=[], metavar="OPTION=VALUE")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--expert", type=Path, default=Path("runs/pendulum/expert.npz"), help="is made if missing")
    parser.add_argument("--expert-steps", type=int, default=10_000)
    parser.add_argument("--episodes", type=int, default=10, help="of the expert, that are shown")
    parser.add_argument("--envs", type=int, default=4)
    parser.add_argument("--every", type=int, default=2_000, help="steps between evaluations")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    given = parser.parse_args()
    options, agent_options = (
        {key: json.loads(value) for key, _, value in (each.partition("=") for each in pairs)}
        for pairs in (given.set, given.set_agent)
    )
    if given.agent == "sac":
        agent_options = SAC | agent_options
    shown = expert_episodes(given.expert, given.expert_steps, given.episodes)
    for name in given.rewards:
        curves, began = [], time.process_time()
        for seed in given.seeds:
            reward = imitation(name, REWARDS.get(name, {}) | options, shown, given.envs, seed)
            agent = build(given.agent, agent_options, given.steps, given.envs, seed)
            curves.append(learn(agent, given.steps, given.envs, seed, given.every, reward))
        print(f"{name} {' '.join(given.set)}, {time.process_time() - began:.0f} CPU seconds")
        show(curves)


if __name__ == "__main__":
    main()
