"""Learning curves over seeds: return relative to standing still, and forward speed.

Each seed is trained for the robot's default number of steps, or to the first goal and then resumed to each following
one (``nil run``, then ``nil run --resume``).

python benchmarks/learning.py [--seeds 0 1 2] [--goals 50000 100000] [--out FOLDER] [-- any options of nil run]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

NIL = [sys.executable, "-m", "nil_core.cli.main"]


def main() -> None:
    """Print a Markdown row for each seed and goal, then the learning curve of each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--goals", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, default=Path("runs/learning"))
    parser.add_argument("options", nargs="*", help="options of nil run")
    arguments = parser.parse_args()
    print("| seed | steps | learning s | return | over standing | S_v | IoU | speed m/s | of reference | falls |")
    print("| --- |" + " --- |" * 9)
    for seed in arguments.seeds:
        folder = arguments.out / f"seed-{seed}"
        for goal in arguments.goals:
            began = time.perf_counter()
            start = ["--seed", str(seed), "--out", str(folder), *arguments.options]
            options = ["--resume", str(folder)] if folder.exists() else start
            command = [*NIL, "run", *options, *(["--steps", str(goal)] if goal else [])]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            print(row(folder, seed), f"<!-- {time.perf_counter() - began:.0f} s in total -->", flush=True)
    for seed in arguments.seeds:
        lines = (arguments.out / f"seed-{seed}" / "metrics.jsonl").read_text().splitlines()
        evaluations = [r for r in map(json.loads, lines) if r["kind"] == "eval"]
        print(
            f"\nseed {seed}: " + "; ".join(f"{r['step']}: {r['return']:.3f}, {r['speed']:.2f} m/s" for r in evaluations)
        )


def row(folder: Path, seed: int) -> str:
    """A table row from ``summary.json``."""
    summary = json.loads((folder / "summary.json").read_text())
    t = summary["policies"]["trained"]
    cells = [
        seed,
        summary["steps"],
        f"{summary['learning_seconds']:.0f}",
        f"{t['return']:.3f}",
        f"{summary['return_over_zero']:+.0%}",
        f"{t['similarity']:.3f}",
        f"{t['iou']:.3f}",
        f"{t['speed']:.2f}",
        f"{t['speed'] / summary['reference_speed']:.0%}",
        f"{t['falls']:.0f}/{t['episodes']}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
