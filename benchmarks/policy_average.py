"""Falls and speed of the newest and of the averaged weights of `sac`'s policies, at every checkpoint that a run keeps.

    python benchmarks/policy_average.py RUN... [--episodes 100]

All policies of a run start from the same states, at rest, and act deterministically. Prints one row of a Markdown table
for each checkpoint.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import nil_core.sim  # noqa: F401  chooses the OpenGL backend before anything imports mujoco
from nil_core.experiment.evaluator import EVALUATION_SEED
from nil_core.experiment.open_run import OpenRun
from nil_core.sim.vector_env import VectorEnv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--episodes", type=int, default=100)
    chosen = parser.parse_args()
    print("| run | checkpoint | falls: newest | averaged | speed m/s: newest | averaged |")
    print("| --- |" + " --- |" * 5)
    for folder in chosen.runs:
        run = OpenRun.open(folder, encoder=False)
        for checkpoint in sorted((folder / "checkpoints").glob("step-*")):
            newest, averaged = (measured(run, checkpoint, chosen.episodes, average) for average in (False, True))
            falls = f"{newest[0]} | {averaged[0]}"
            print(f"| {folder.name} | {checkpoint.name} | {falls} | {newest[1]:.3f} | {averaged[1]:.3f} |", flush=True)


def measured(run: OpenRun, checkpoint: Path, episodes: int, average: bool) -> tuple[int, float]:
    """Number of falls, and mean forward speed until the end of an episode, m/s."""
    spec = run.experiment.env_spec
    with VectorEnv(spec, episodes, 0, EVALUATION_SEED, render=False) as env:
        agent: Any = run.policy(env, "newest")
        agent.load(checkpoint / "agent")
        if not average:
            agent._component.average = None  # without the checks around it
        buffers = env.reset()
        start, running = buffers.start_qpos[:, 0].copy(), np.ones(episodes, np.bool_)
        speeds, falls = np.zeros(episodes), 0
        for step in range(1, spec.control_steps + 1):
            buffers = env.step(agent.act(buffers.observations, explore=False))
            over = running & (buffers.ended | (step == spec.control_steps))
            speeds[over] = (buffers.qpos[over, 0] - start[over]) * run.experiment.config.environment.control_hz / step
            falls += int(np.count_nonzero(over)) if step < spec.control_steps else 0
            running &= ~over
    return falls, float(speeds.mean())


if __name__ == "__main__":
    main()
