"""Train an agent to swing up the pendulum of gymnasium's Pendulum-v1, in many environments at once.

The physics are a line of numpy, so that a seed takes seconds to minutes, nearly all of it the agent's. As in a run, a
transition is given to the agent after its next action, and a time limit is a truncation.

    python benchmarks/pendulum.py --agent ppo --steps 100000 --seeds 0 1 2 --set learning_rate=1e-3
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from nil_core import registry
from nil_core.api import Agent, AgentSpec, Doubles, Floats, Transitions

HORIZON = 200
EPISODES = 20  # of each evaluation


class Pendulums:
    """N pendulums with the dynamics and the reward of Pendulum-v1; angle 0 is upright."""

    def __init__(self, count: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self.angle, self.speed = self._start(count)

    def _start(self, count: int) -> tuple[Doubles, Doubles]:
        return self._rng.uniform(-np.pi, np.pi, count), self._rng.uniform(-1, 1, count)

    def observe(self) -> Floats:
        """float32 (N, 3)."""
        return np.stack([np.cos(self.angle), np.sin(self.angle), self.speed], axis=1).astype(np.float32)

    def step(self, actions: Floats) -> Floats:
        """Take actions (N, 1) in [-1, 1]; rewards (N,)."""
        torque = 2.0 * actions[:, 0].astype(np.float64)
        angle = (self.angle + np.pi) % (2 * np.pi) - np.pi
        reward = -(angle**2 + 0.1 * self.speed**2 + 0.001 * torque**2)
        self.speed = np.clip(self.speed + (15.0 * np.sin(self.angle) + 3.0 * torque) * 0.05, -8, 8)
        self.angle = self.angle + self.speed * 0.05
        return reward.astype(np.float32)

    def restart(self) -> None:
        """Begin an episode in each."""
        self.angle, self.speed = self._start(len(self.angle))


def evaluate(agent: Agent) -> float:
    """Mean return of the deterministic policy, always from the same starts."""
    pendulums = Pendulums(EPISODES, 1)
    return float(sum(pendulums.step(agent.act(pendulums.observe(), False)).mean() for _ in range(HORIZON)))


class RewardFunction(Protocol):
    """Gives rewards in place of the pendulums' own."""

    def reset(self, pendulums: Pendulums) -> None:
        """An episode begins in each."""

    def rewards(self, pendulums: Pendulums, actions: Floats) -> Floats:
        """Rewards (N,) after a step."""


def build(name: str, options: dict[str, Any], steps: int, num_envs: int, seed: int) -> Agent:
    """An agent of nil for this task."""
    agent: Agent = registry.build("agent", name, options, AgentSpec(3, 1, num_envs, HORIZON, steps, seed))
    return agent


def learn(
    agent: Agent, steps: int, num_envs: int, seed: int, every: int, reward: RewardFunction | None = None
) -> dict[int, float]:
    """Train one seed; returns step to return."""
    pendulums, late = Pendulums(num_envs, 1000 + seed), list[Transitions]()
    curve = {0: evaluate(agent)}
    for step in range(1, steps // num_envs + 1):
        if reward is not None and step % HORIZON == 1:
            reward.reset(pendulums)
        observations = pendulums.observe()
        actions = agent.act(observations, True)
        for transitions in late:
            agent.observe(transitions)
            agent.update(num_envs)
        rewards, none = pendulums.step(actions), np.zeros(num_envs, np.bool_)
        if reward is not None:
            rewards = reward.rewards(pendulums, actions)
        ends = np.full(num_envs, step % HORIZON == 0)
        envs = np.arange(num_envs, dtype=np.int32)
        late = [Transitions(observations, actions, rewards, pendulums.observe(), none, ends, envs)]
        if ends[0]:
            pendulums.restart()
        if step * num_envs // every > (step - 1) * num_envs // every:
            curve[step * num_envs // every * every] = evaluate(agent)
    return curve


def show(curves: Sequence[dict[int, float]]) -> None:
    """Print a Markdown table of learning curves, one for each seed."""
    print("| steps | return, mean ± std over seeds |\n| --- | --- |")
    for step in curves[0]:
        returns = [curve[step] for curve in curves]
        print(f"| {step} | {np.mean(returns):.0f} ± {np.std(returns):.0f} |", flush=True)


def main() -> None:
    """Train every seed, then print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--agent", default="ppo")
    parser.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE", help="an option of the agent")
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--envs", type=int, default=16)
    parser.add_argument("--every", type=int, default=20_000, help="steps between evaluations")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    given = parser.parse_args()
    options = {key: json.loads(value) for key, _, value in (each.partition("=") for each in given.set)}
    curves, began = [], time.process_time()
    for seed in given.seeds:
        agent = build(given.agent, options, given.steps, given.envs, seed)
        curves.append(learn(agent, given.steps, given.envs, seed, given.every))
        print(f"seed {seed}: {', '.join(f'{step}: {value:.0f}' for step, value in curves[-1].items())}", flush=True)
    print(f"{given.agent} {' '.join(given.set)}, {time.process_time() - began:.0f} CPU seconds")
    show(curves)


if __name__ == "__main__":
    main()
