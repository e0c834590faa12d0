"""What each part of motion recovery and of the reward does for learning: the built-in study ``recovery`` as a table.

Finished runs are skipped and interrupted ones resumed: the same command goes on.

python benchmarks/ablation.py [--robot a1] [--seeds 3] [--rows all no-base ...] [--steps N] [--jobs N] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from nil_core.study import built_in, run_study


def main() -> None:
    """Print a markdown row for each row of settings."""
    rows = built_in("recovery").rows
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robot", default="a1")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", choices=[each.name for each in rows], default=[each.name for each in rows])
    parser.add_argument("--steps", type=int, help="the robot's own number unless given")
    parser.add_argument("--jobs", type=int, help="runs at once")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    study = built_in("recovery", {"robot": arguments.robot, "steps": arguments.steps}, arguments.seeds)
    study = study.only(arguments.rows)
    result = run_study(study, arguments.out, jobs=arguments.jobs)
    print("| row | seeds | return | standing | S_v | IoU | speed m/s | of reference | falls |")
    print("| --- |" + " --- |" * 8)
    for name in arguments.rows:
        done = [run.entry.run for run in result.runs if run.entry.row == name and run.state == "finished"]
        if done:
            print(row(name, [json.loads((result.folder / run / "summary.json").read_text()) for run in done]))


def row(name: str, summaries: list[dict]) -> str:
    """Mean over seeds, and the single seeds in brackets."""
    trained = [summary["policies"]["trained"] for summary in summaries]
    shares = [t["speed"] / s["reference_speed"] for t, s in zip(trained, summaries, strict=True)]
    still = [s["policies"].get("standing", s["policies"].get("zero"))["return"] for s in summaries]
    cells = [
        name,
        len(summaries),
        spread([t["return"] for t in trained]),
        f"{statistics.mean(still):.3f}",
        spread([t["similarity"] for t in trained]),
        spread([t["iou"] for t in trained]),
        spread([t["speed"] for t in trained]),
        f"{statistics.mean(shares):.0%}",
        f"{sum(t['falls'] for t in trained):.0f}/{sum(t['episodes'] for t in trained):.0f}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


def spread(values: list[float]) -> str:
    """``mean (each value)``."""
    return f"{statistics.mean(values):.3f} ({', '.join(f'{value:.2f}' for value in values)})"


if __name__ == "__main__":
    main()
