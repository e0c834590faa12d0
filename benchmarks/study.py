"""Overhead of a study: wall time of ``nil study`` on smoke runs, against the same runs as plain ``nil run``.

python benchmarks/study.py                            # processes on this machine
python benchmarks/study.py --executor ray --kill      # Ray on this machine, a worker killed (SIGKILL) in the middle

The plain way is as many ``nil run`` at once as fit. Its times are kept in ``OUT/plain.json``, so that a second call
with the same ``--out``, and another executor, measures only its study. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from nil_core.storage.run_folder import RunFolder
from nil_core.study import Entry, StudySpec
from nil_core.study.grid import Row
from nil_core.study.machine import this_machine
from nil_core.study.process import WORKER

NIL = [sys.executable, "-m", "nil_core.cli.main"]
ROWS = (Row("all"), Row("no-iou", {"reward.iou": 0}), Row("no-video", {"reward.video": 0}))


def main() -> None:
    """Print both wall times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executor", default="local")
    parser.add_argument("--kill", action="store_true", help="kill one worker when half of the runs are finished")
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--jobs", type=int, default=this_machine().slots, help="runs at once")
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    out = (arguments.out or Path(tempfile.mkdtemp(prefix="nil-study-"))).absolute()
    out.mkdir(parents=True, exist_ok=True)
    rows = ROWS[: max(1, min(arguments.runs // 2, len(ROWS)))]
    spec = StudySpec("overhead", rows, tuple(range(arguments.runs // len(rows))), preset="smoke")
    plain = measure_plain(spec, out, arguments.jobs)
    study, parts = measure_study(spec, out, arguments.executor, arguments.jobs, arguments.kill)
    count = len(spec.entries())
    print(f"{count} runs, {arguments.jobs} at once: plain {plain:.1f} s ({plain / count:.1f} s a run)")
    print(f"study ({arguments.executor}{', one worker killed' if arguments.kill else ''}): {study:.1f} s; {parts}")
    print(f"ratio: {study / plain:.3f}")


def measure_plain(spec: StudySpec, out: Path, jobs: int) -> float:
    """Wall seconds of the runs as commands, ``jobs`` at once; those of earlier calls are not repeated."""
    file = out / "plain.json"
    seconds: dict[str, float] = json.loads(file.read_text()) if file.exists() else {}
    entries = [entry for entry in spec.entries() if entry.run not in seconds]

    def measure(entry: Entry) -> tuple[str, float]:
        began = time.perf_counter()
        run_plainly(entry, out / "plain")
        return entry.run, time.perf_counter() - began

    with ThreadPoolExecutor(jobs) as pool:
        for run, taken in pool.map(measure, entries):
            seconds[run] = taken
            file.write_text(json.dumps(seconds, indent=2))
            print(f"plain {len(seconds)}/{len(spec.entries())}: {run} {taken:.1f} s", flush=True)
    return sum(seconds[entry.run] for entry in spec.entries()) / jobs


def run_plainly(entry: Entry, out: Path) -> None:
    """One ``nil run`` with the config of an entry, in a folder that is removed."""
    config, folder = out / f"{Path(entry.run).name}.toml", out / entry.run
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(entry.config.to_toml())
    shutil.rmtree(folder, ignore_errors=True)
    command = [*NIL, "run", "--config", str(config), "--out", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment(out / "cache"))


def measure_study(spec: StudySpec, out: Path, executor: str, jobs: int, kill: bool) -> tuple[float, str]:
    """Wall seconds of the whole command ``nil study``, and its parts in words."""
    folder, cache = out / f"study-{executor}", out / f"cache-{executor}"
    for left in (folder, cache):
        shutil.rmtree(left, ignore_errors=True)
    file = out / "study.toml"
    file.write_text(spec.to_toml())
    command = [*NIL, "study", str(file), "--out", str(folder), "--jobs", str(jobs), "--executor", executor]
    at, began = time.time(), time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment(cache))
    shown = 0
    while process.poll() is None:
        time.sleep(0.5)
        finished = len(list(folder.glob("runs/*/summary.json")))
        if finished > shown:
            print(f"study {finished}/{len(spec.entries())}: {time.perf_counter() - began:.0f} s", flush=True)
            shown = finished
        if kill and finished >= len(spec.entries()) // 2 and (worker := learning_worker(folder, executor)):
            os.kill(worker, signal.SIGKILL)
            print(f"killed process {worker}", flush=True)
            kill = False
    seconds = time.perf_counter() - began
    if process.returncode or kill:
        sys.exit(f"the study ended with exit code {process.returncode}, and {'nothing' if kill else 'as asked'} killed")
    return seconds, described(folder, at, seconds)


def environment(cache: Path) -> dict[str, str]:
    """Variables of a process whose cache is empty at first, so that neither way profits from the other."""
    return {**os.environ, "NIL_CACHE": str(cache)}


def learning_worker(study: Path, executor: str) -> int | None:
    """Process to kill: one that learns a run, or with an executor the process that started it there."""
    for pid, parent, job in workers():
        if job.get("study") != str(study):
            continue
        run = RunFolder(study / job["target"])
        if run.metrics.exists() and not run.summary.exists():
            return pid if executor == "local" else parent
    return None


def workers() -> Iterator[tuple[int, int, Mapping[str, Any]]]:
    """Processes of jobs on this machine: number, number of the parent, job."""
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = command.read_bytes().decode().split("\0")
            if WORKER in words:
                job = json.loads(Path(words[3], "job.json").read_text())
                yield int(command.parent.name), int(words[4]), job
        except (OSError, ValueError, IndexError):
            continue


def described(folder: Path, began: float, seconds: float) -> str:
    """Where the time went: before the first attempt, attempts, the report; and how they ended."""
    lines = [json.loads(line) for line in (folder / "attempts.jsonl").read_text(encoding="utf-8").splitlines()]
    at = [time.mktime(time.strptime(line["at"], "%Y-%m-%d %H:%M:%S")) for line in lines]
    ends = [line for line in lines if line["event"] == "end"]
    outcomes = ", ".join(line["outcome"] for line in ends if line["outcome"] != "finished")
    attempts = sum(line["seconds"] for line in ends)
    return (
        f"{at[0] - began:.0f} s before the first process, {attempts:.0f} s in attempts and queues, "
        f"{began + seconds - at[-1]:.0f} s after the last one; not finished at once: {outcomes or 'none'}"
    )


if __name__ == "__main__":
    main()
