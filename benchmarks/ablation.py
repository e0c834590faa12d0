"""Ablation of motion recovery and of the reward: one row per configuration, averaged over seeds.

Finished runs are skipped and interrupted ones resumed, so the benchmark can be interrupted and continued.

python benchmarks/ablation.py [--robot a1] [--seeds 0 1 2] [--rows all no_base ...] [--out FOLDER] [-- options]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

NIL = [sys.executable, "-m", "nil_core.cli.main"]
ROWS = {
    "all": [],
    "no_base": ["motion.base=false"],
    "no_starts": ["motion.start_share=0"],
    "implausible": ["generator.plausible=false"],
    "side_view": ["robot.camera_azimuth=90"],
    "oracle_motion": ["motion.source=generator"],
    "no_video_reward": ["reward.video=0", "reward.iou=0"],
    "no_motion": ["motion.source=none"],
}


def main() -> None:
    """Print a Markdown row for each configuration as soon as its seeds are finished."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robot", default="a1")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    parser.add_argument("options", nargs="*", help="options of nil run")
    arguments = parser.parse_args()
    print("| row | seeds | return | standing | S_v | IoU | speed m/s | of reference | falls |")
    print("| --- |" + " --- |" * 8)
    for name in arguments.rows:
        folders = [arguments.out / f"{arguments.robot}-{name}-{seed}" for seed in arguments.seeds]
        for folder, seed in zip(folders, arguments.seeds, strict=True):
            learn(folder, seed, arguments.robot, ROWS[name], arguments.options)
        print(row(name, [json.loads((folder / "summary.json").read_text()) for folder in folders]), flush=True)


def learn(folder: Path, seed: int, robot: str, settings: list[str], options: list[str]) -> None:
    """Train one run to its end, or resume it."""
    if (folder / "summary.json").exists():
        return
    sets = [word for setting in settings for word in ("--set", setting)]
    start = ["--robot", robot, "--seed", str(seed), "--out", str(folder), *sets, *options]
    subprocess.run(
        [*NIL, "run", *(["--resume", str(folder)] if folder.exists() else start)],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def row(name: str, summaries: list[dict]) -> str:
    """A table row: mean over seeds, with the values of the seeds in parentheses."""
    trained = [summary["policies"]["trained"] for summary in summaries]
    shares = [t["speed"] / s["reference_speed"] for t, s in zip(trained, summaries, strict=True)]
    cells = [
        name,
        len(summaries),
        spread([t["return"] for t in trained]),
        f"{statistics.mean(s['policies']['zero']['return'] for s in summaries):.3f}",
        spread([t["similarity"] for t in trained]),
        spread([t["iou"] for t in trained]),
        spread([t["speed"] for t in trained]),
        f"{statistics.mean(shares):.0%}",
        f"{sum(t['falls'] for t in trained):.0f}/{sum(t['episodes'] for t in trained):.0f}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


def spread(values: list[float]) -> str:
    """Format as ``mean (value, value, ...)``."""
    return f"{statistics.mean(values):.3f} ({', '.join(f'{value:.2f}' for value in values)})"


if __name__ == "__main__":
    main()
