"""Steps per second of the default run, and where the time goes: physics, render, encode, update.

The main process learns while a worker process simulates; ``wait`` is what the main process waits for the worker, so the
two columns overlap. With ``--plain`` the same run also simulates in the main process, without overlap, for comparison.

python benchmarks/default_run.py [--steps 6000] [--plain] [-- any options of nil run]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

WARMUP = 2000  # environment steps at the start that are left out: the agent does not learn yet
MAIN = ("act", "encode", "update", "wait")
WORKER = ("physics", "render")


def measure(steps: int, options: list[str]) -> dict[str, float]:
    """Milliseconds per environment step by part, and ``total``."""
    with tempfile.TemporaryDirectory() as root:
        out = Path(root) / "run"
        settings = ["--set", "training.eval_every=0", "--set", "evaluation.episodes=1"]
        command = [sys.executable, "-m", "nil_core.cli.main", "run", "--steps", str(steps), "--out", str(out)]
        subprocess.run([*command, *settings, *options], check=True, stdout=subprocess.DEVNULL)
        rows = [json.loads(line) for line in (out / "timing.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["step"] > WARMUP]
    done = rows[-1]["step"] - WARMUP
    parts = {name: 1000 * sum(row.get(name, 0.0) for row in rows) / done for name in (*MAIN, *WORKER)}
    return parts | {"total": 1000 * sum(row["seconds"] for row in rows) / done}


def main() -> None:
    """Print a markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--plain", action="store_true", help="measure without worker processes too")
    parser.add_argument("options", nargs="*", help="of nil run")
    arguments = parser.parse_args()
    runs = {"one worker process": arguments.options}
    if arguments.plain:
        runs["in one process"] = [*arguments.options, "--set", "simulation.workers=0"]
    columns = [*MAIN, *WORKER, "total"]
    print(f"| ms per environment step | {' | '.join(columns)} | steps/s |\n|{' --- |' * (len(columns) + 2)}")
    for name, options in runs.items():
        parts = measure(arguments.steps, options)
        cells = " | ".join(f"{parts[c]:.2f}" for c in columns)
        print(f"| {name} | {cells} | {1000 / parts['total']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
