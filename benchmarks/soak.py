"""Kill a run at random times and resume it repeatedly; the result must equal that of an uninterrupted run.

    python benchmarks/soak.py [--kills 20] [--steps 3000] [--seed 0] [-- any options of nil run]

Each process is ended by SIGKILL: every fourth at a random time during its start, the others shortly after a random
number of steps, chosen so that about two thirds of the run are done after all kills. Then the run is resumed to its
end. ``metrics.jsonl``, the agent's last checkpoint and the table at the end must equal those of an uninterrupted
run with the same options, byte by byte, and no worker process may outlive its run. Prints a row of a Markdown table;
exits with 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NIL = [sys.executable, "-m", "nil_core.cli.main", "run"]
OPTIONS = (
    *("--set", "simulation.workers=2", "--set", "simulation.num_envs=4", "--set", "training.log_every=40"),
    *("--set", "training.checkpoint_every=120", "--set", "training.eval_every=800", "--set", "training.keep=1"),
)
WORKER_EXIT_TIMEOUT = 120.0  # s; workers of a killed run must exit within this time, even if they were just starting


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0, help="of the kill times")
    parser.add_argument("options", nargs="*", help="options of nil run")
    chosen = parser.parse_args()
    begin = [*NIL, "--steps", str(chosen.steps), *OPTIONS, *chosen.options, "--out"]
    with tempfile.TemporaryDirectory() as root:
        uninterrupted, killed = Path(root) / "uninterrupted", Path(root) / "killed"
        began = time.perf_counter()
        subprocess.run([*begin, str(uninterrupted)], check=True, stdout=subprocess.DEVNULL)
        alone = time.perf_counter() - began
        learning = sum(row["seconds"] for row in lines(uninterrupted / "timing.jsonl"))
        print(f"uninterrupted: {alone:.0f} s, of which {learning:.0f} s learning", flush=True)
        rng, start_seconds = (
            random.Random(chosen.seed),
            (alone - learning) / 2,
        )  # the other half is the final evaluation
        lost = []
        for number in range(chosen.kills):
            seconds = rng.uniform(0, start_seconds) if number % 4 == 0 else math.inf
            steps = rng.uniform(0, 16 / 9 * chosen.steps / chosen.kills)
            lost.append(run_and_kill(begin, killed, seconds, steps, rng))
        subprocess.run(command(begin, killed), check=True, stdout=subprocess.DEVNULL)
        wrong = differences(uninterrupted, killed)
    print("| steps | kills | during a checkpoint | before the first | steps repeated | result |")
    print("| --- | --- | --- | --- | --- | --- |")
    repeated, torn, early = sum(steps for steps, _, _ in lost), sum(t for _, t, _ in lost), sum(e for _, _, e in lost)
    result = f"different: {', '.join(wrong)}" if wrong else "identical"
    print(f"| {chosen.steps} | {len(lost)} | {torn} | {early} | {repeated} | {result} |")
    sys.exit(bool(wrong))


def run_and_kill(
    begin: list[str], folder: Path, seconds: float, steps: float, rng: random.Random
) -> tuple[int, bool, bool]:
    """Start or resume, and kill after ``seconds``, or shortly after ``steps`` more steps, whichever is first.

    Returns:
        number of lost steps, whether a checkpoint was incomplete, whether there was none yet.
    """
    arguments, began, saved = command(begin, folder), time.time(), newest_checkpoint(folder)
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and time.time() < began + seconds:
        if learning_since(folder, began) and newest_step(folder) >= saved + steps:
            time.sleep(rng.uniform(0, 0.5))
            break
        time.sleep(0.01)
    if process.poll() is not None:
        sys.exit(f"the run ended by itself (exit code {process.returncode}) before it was killed: raise --steps")
    process.kill()
    process.wait()
    wait_for_workers(process.pid)
    print(f"killed {time.time() - began:.1f} s after the start, at step {newest_step(folder)}", flush=True)
    saved = newest_checkpoint(folder)
    return max(newest_step(folder) - saved, 0), any(folder.glob("checkpoints/.*.tmp")), not saved


def newest_checkpoint(folder: Path) -> int:
    """Step of the newest checkpoint, 0 without one."""
    return max((int(path.name.removeprefix("step-")) for path in folder.glob("checkpoints/step-*")), default=0)


def newest_step(folder: Path) -> int:
    """Step of the newest line of metrics, 0 without one."""
    return int(max((row["step"] for row in lines(folder / "metrics.jsonl")), default=0))


def learning_since(folder: Path, began: float) -> bool:
    """Whether this process has started to learn; until then the lines are those of the previous one."""
    status = folder / "status.json"
    return state(folder) == "learning" and status.stat().st_mtime > began


def state(folder: Path) -> str:
    """State of the run in ``status.json``, empty without one."""
    status = folder / "status.json"
    return str(json.loads(status.read_text())["state"]) if status.exists() else ""


def command(begin: list[str], folder: Path) -> list[str]:
    """Command that resumes the run, or starts it again if it was killed before it began to learn."""
    if state(folder) == "learning":
        return [*NIL, "--resume", str(folder)]
    shutil.rmtree(folder, ignore_errors=True)
    return [*begin, str(folder)]


def wait_for_workers(group: int) -> None:
    """Wait until the worker processes of a killed run have exited by themselves; exit with an error if they do not."""
    until = time.monotonic() + WORKER_EXIT_TIMEOUT
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.killpg(group, signal.SIGKILL)
    sys.exit("a worker process outlived its run")


def lines(path: Path) -> list[dict[str, float]]:
    """Complete lines of a log; none if there is no file."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def differences(one: Path, other: Path) -> list[str]:
    """Names of files, and of the final table, that differ between two finished runs."""
    files = ["metrics.jsonl"]
    files += [str(p.relative_to(one)) for p in one.glob("checkpoints/step-*/agent/*")]
    wrong = [name for name in files if (one / name).read_bytes() != (other / name).read_bytes()]
    tables = [json.loads((folder / "summary.json").read_text())["policies"] for folder in (one, other)]
    return wrong + ["the table at the end"] * (tables[0] != tables[1])


if __name__ == "__main__":
    main()
