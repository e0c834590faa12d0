"""Learn from a generated video with stable-baselines3: ``python examples/train_with_stable_baselines3.py [STEPS]``.

The reference is the default one (made first, unless it is there); the agent is stable-baselines3's SAC. Its return is
nil's: one reward for each tick of an episode, positive, so that more is better and falling early never pays.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gymnasium
from stable_baselines3 import SAC
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

import nil_core.gym  # registers nil/imitation-v0
from nil_core import RunConfig, generate

REFERENCE = Path("references/walking")


def main(steps: int = 600) -> None:
    """Learn, and compare with doing nothing.

    Args:
        steps: environment steps; 600 are a trial, tens of thousands teach the robot something.
    """
    if not REFERENCE.exists():
        generate(RunConfig(), REFERENCE)
    env = Monitor(gymnasium.make(nil_core.gym.ID, reference=REFERENCE))
    evaluation = Monitor(gymnasium.make(nil_core.gym.ID, reference=REFERENCE, evaluation=True))
    agent = SAC("MlpPolicy", env, learning_starts=min(500, steps // 2), seed=0)
    before, _ = evaluate_policy(agent, evaluation, n_eval_episodes=1)
    agent.learn(total_timesteps=steps)
    after, _ = evaluate_policy(agent, evaluation, n_eval_episodes=1)
    agent.save("sac_walking")
    print(f"return before {before:.1f}, after {steps} steps {after:.1f}")
    env.close()
    evaluation.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
