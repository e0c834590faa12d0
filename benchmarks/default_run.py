"""Steps per second of the default run, and time per part: physics, render, encode, update.

The main process learns while a worker process simulates; ``wait`` is the time that the main process waits for the
worker, so the columns of the two processes overlap. With ``--plain`` the run is repeated with simulation in the main
process, without overlap.

python benchmarks/default_run.py [--steps 6000] [--plain] [-- any options of nil run]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

WARMUP_STEPS = 2000  # environment steps at the start that are excluded: the agent does not learn yet
MAIN_PROCESS_PARTS = ("act", "encode", "update", "wait")
WORKER_PARTS = ("physics", "render")


def measure(steps: int, options: list[str]) -> dict[str, float]:
    """Milliseconds per environment step for each part, and ``total``."""
    with tempfile.TemporaryDirectory() as root:
        out = Path(root) / "run"
        settings = ["--set", "training.eval_every=0", "--set", "evaluation.episodes=1"]
        command = [sys.executable, "-m", "nil_core.cli.main", "run", "--steps", str(steps), "--out", str(out)]
        subprocess.run([*command, *settings, *options], check=True, stdout=subprocess.DEVNULL)
        rows = [json.loads(line) for line in (out / "timing.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["step"] > WARMUP_STEPS]
    done = rows[-1]["step"] - WARMUP_STEPS
    parts = {
        name: 1000 * sum(row.get(name, 0.0) for row in rows) / done for name in (*MAIN_PROCESS_PARTS, *WORKER_PARTS)
    }
    return parts | {"total": 1000 * sum(row["seconds"] for row in rows) / done}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--plain", action="store_true", help="also measure without worker processes")
    parser.add_argument("options", nargs="*", help="options of nil run")
    arguments = parser.parse_args()
    runs = {"one worker process": arguments.options}
    if arguments.plain:
        runs["in one process"] = [*arguments.options, "--set", "simulation.workers=0"]
    columns = [*MAIN_PROCESS_PARTS, *WORKER_PARTS, "total"]
    print(f"| ms per environment step | {' | '.join(columns)} | steps/s |\n|{' --- |' * (len(columns) + 2)}")
    for name, options in runs.items():
        parts = measure(arguments.steps, options)
        cells = " | ".join(f"{parts[c]:.2f}" for c in columns)
        print(f"| {name} | {cells} | {1000 / parts['total']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
