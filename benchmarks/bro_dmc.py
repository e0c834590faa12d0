"""Train an agent on tasks of the dm_control suite and compare with published returns.

Published: BRO and BRO Fast from the curves of its authors' code (10 seeds, action repeat 1), SAC from the result files
of SimBa (arXiv 2410.09754; 10 seeds, two gradient steps per environment step, action repeat 2). An interrupted run is
resumed.

    python benchmarks/bro_dmc.py pendulum-swingup --agent bro-fast --steps 100000 --seeds 0 1 2
    python benchmarks/bro_dmc.py walker-run --agent sac --set gamma=0.99 --set learning_rate=3e-4
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("MUJOCO_GL", "disabled")  # no rendering

import dm_env
import numpy as np
from dm_control import suite

from nil_core import registry
from nil_core.errors import NilError
from nil_core.experiment.task import TaskSettings, train_on_task
from nil_core.storage import log

PUBLISHED: dict[str, dict[str, dict[int, int]]] = {
    "pendulum-swingup": {
        "bro": {200_000: 827, 500_000: 874, 1_000_000: 832},
        "bro-fast": {100_000: 838, 200_000: 828, 500_000: 873, 1_000_000: 828},
        "sac": {200_000: 480, 500_000: 477},
    },
    "walker-run": {
        "bro": {100_000: 651, 200_000: 750, 500_000: 803, 1_000_000: 823},
        "bro-fast": {100_000: 578, 200_000: 676, 500_000: 759, 1_000_000: 804},
        "sac": {200_000: 459, 500_000: 629},
    },
    "cheetah-run": {
        "bro": {100_000: 517, 200_000: 644, 500_000: 750, 1_000_000: 825},
        "bro-fast": {100_000: 450, 200_000: 561, 500_000: 752, 1_000_000: 874},
        "sac": {200_000: 493, 500_000: 716},
    },
    "quadruped-run": {
        "bro": {100_000: 738, 200_000: 802, 500_000: 870, 1_000_000: 891},
        "bro-fast": {200_000: 684, 500_000: 798, 1_000_000: 868},
        "sac": {200_000: 88, 500_000: 117},
    },
}


def run(task: str, agent: str, options: dict[str, Any], settings: TaskSettings, folder: Path) -> list[dict[str, Any]]:
    """Train one seed; returns all its evaluations."""
    domain, name = task.split("-", 1)

    def make(seed: int) -> dm_env.Environment:
        return suite.load(domain, name.replace("-", "_"), task_kwargs={"random": seed})

    return train_on_task(lambda spec: registry.build("agent", agent, options, spec), make, folder, settings)


def main() -> None:
    """Run every seed, then print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("task", help=f"domain-task; with published numbers: {', '.join(PUBLISHED)}")
    parser.add_argument("--agent", default="bro-fast")
    parser.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE", help="an option of the agent")
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--every", type=int, default=5000, help="steps between evaluations, of five episodes each")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("runs/dmc"))
    given = parser.parse_args()
    options = {key: _value(value) for key, _, value in (each.partition("=") for each in given.set)}
    label = "_".join([given.task, given.agent, *given.set])
    curves, hours = [], []
    for seed in given.seeds:
        folder = given.out / label / str(seed)
        settings = TaskSettings(
            given.steps, seed, 1000, given.device, eval_every=given.every, checkpoint_every=given.every
        )
        try:
            curves.append(
                {row["step"]: row["return"] for row in run(given.task, given.agent, options, settings, folder)}
            )
        except NilError as error:
            raise SystemExit(str(error)) from None
        hours.append(sum(row["seconds"] for row in log.read(folder / "timing.jsonl")) / 3600)
    published = PUBLISHED.get(given.task, {}).get(given.agent, {})
    print(f"{label}, seeds {given.seeds}, {sum(hours):.2f} hours")
    print("| steps | return, mean ± std over seeds | published |\n| --- | --- | --- |")
    for step in sorted({*set.intersection(*map(set, curves)), *published}):
        returns = [curve[step] for curve in curves if step in curve]
        spread = f" ± {np.std(returns):.0f}" if len(curves) > 1 else ""
        ours = f"{np.mean(returns):.0f}{spread}" if len(returns) == len(curves) else ""
        print(f"| {step} | {ours} | {published.get(step, '')} |")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


if __name__ == "__main__":
    main()
