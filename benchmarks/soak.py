"""Kills a run at random moments and resumes it, again and again: it must end as one that was never killed.

    python benchmarks/soak.py [--kills 20] [--steps 3000] [--seed 0] [-- any options of nil run]

Each life of the run ends with SIGKILL: every fourth at a moment of its start-up, the others a moment after so many more
steps that, these being random, about two thirds of the run are done after all kills. Then it is resumed to its
end. The lines of ``metrics.jsonl``, the agent's last checkpoint and the table at the end must be those of an unbroken
run with the same options, byte by byte, and no worker process may outlive its run. Prints a row of a Markdown table;
leaves with 1 if anything differs.
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
GONE_SECONDS = 120.0  # in which the workers of a killed run must have noticed, also those that were just starting


def main() -> None:
    """Print a markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("options", nargs="*", help="of nil run")
    chosen = parser.parse_args()
    begin = [*NIL, "--steps", str(chosen.steps), *OPTIONS, *chosen.options, "--out"]
    with tempfile.TemporaryDirectory() as root:
        unbroken, broken = Path(root) / "unbroken", Path(root) / "broken"
        began = time.perf_counter()
        subprocess.run([*begin, str(unbroken)], check=True, stdout=subprocess.DEVNULL)
        alone = time.perf_counter() - began
        learning = sum(row["seconds"] for row in lines(unbroken / "timing.jsonl"))
        print(f"unbroken: {alone:.0f} s, of which {learning:.0f} learning", flush=True)
        drawn, starting = random.Random(chosen.seed), (alone - learning) / 2  # the other half is the table at the end
        lost = []
        for number in range(chosen.kills):
            seconds = drawn.uniform(0, starting) if number % 4 == 0 else math.inf
            lost.append(life(begin, broken, seconds, drawn.uniform(0, 16 / 9 * chosen.steps / chosen.kills), drawn))
        subprocess.run(command(begin, broken), check=True, stdout=subprocess.DEVNULL)
        wrong = differences(unbroken, broken)
    print("| steps | kills | amid a checkpoint | before the first | steps learned again | ends |")
    print("| --- | --- | --- | --- | --- | --- |")
    again, torn, early = sum(steps for steps, _, _ in lost), sum(t for _, t, _ in lost), sum(e for _, _, e in lost)
    ends = f"differently: {', '.join(wrong)}" if wrong else "the same"
    print(f"| {chosen.steps} | {len(lost)} | {torn} | {early} | {again} | {ends} |")
    sys.exit(bool(wrong))


def life(begin: list[str], folder: Path, seconds: float, steps: float, drawn: random.Random) -> tuple[int, bool, bool]:
    """Start or resume, and kill after so many seconds, or a moment after so many steps, whichever is first.

    Returns:
        steps that are lost, whether a checkpoint was torn, whether there was none yet.
    """
    order, began, saved = command(begin, folder), time.time(), newest(folder)
    process = subprocess.Popen(order, stdout=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and time.time() < began + seconds:
        if learning_since(folder, began) and reached(folder) >= saved + steps:
            time.sleep(drawn.uniform(0, 0.5))
            break
        time.sleep(0.01)
    if process.poll() is not None:
        sys.exit(f"the run ended by itself (exit code {process.returncode}) before it was killed: raise --steps")
    process.kill()
    process.wait()
    wait_until_gone(process.pid)
    print(f"killed {time.time() - began:.1f} s after the start, at step {reached(folder)}", flush=True)
    return max(reached(folder) - newest(folder), 0), any(folder.glob("checkpoints/.*.tmp")), not newest(folder)


def newest(folder: Path) -> int:
    """The step of the newest checkpoint."""
    return max((int(path.name.removeprefix("step-")) for path in folder.glob("checkpoints/step-*")), default=0)


def reached(folder: Path) -> int:
    """The step of the newest line."""
    return int(max((row["step"] for row in lines(folder / "metrics.jsonl")), default=0))


def learning_since(folder: Path, began: float) -> bool:
    """Whether this life has begun to learn; until then the lines are those of the one before."""
    status = folder / "status.json"
    return state(folder) == "learning" and status.stat().st_mtime > began


def state(folder: Path) -> str:
    """What the run says of itself."""
    status = folder / "status.json"
    return str(json.loads(status.read_text())["state"]) if status.exists() else ""


def command(begin: list[str], folder: Path) -> list[str]:
    """Resume; begin anew where the kill came before there was anything to learn in."""
    if state(folder) == "learning":
        return [*NIL, "--resume", str(folder)]
    shutil.rmtree(folder, ignore_errors=True)
    return [*begin, str(folder)]


def wait_until_gone(group: int) -> None:
    """The workers of a killed run end by themselves."""
    until = time.monotonic() + GONE_SECONDS
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.killpg(group, signal.SIGKILL)
    sys.exit("a worker process outlived its run")


def lines(path: Path) -> list[dict[str, float]]:
    """Whole lines of a log; none if it is not there."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def differences(one: Path, other: Path) -> list[str]:
    """What two finished runs do not share."""
    files = ["metrics.jsonl"]
    files += [str(p.relative_to(one)) for p in one.glob("checkpoints/step-*/agent/*")]
    wrong = [name for name in files if (one / name).read_bytes() != (other / name).read_bytes()]
    tables = [json.loads((folder / "summary.json").read_text())["policies"] for folder in (one, other)]
    return wrong + ["the table at the end"] * (tables[0] != tables[1])


if __name__ == "__main__":
    main()
