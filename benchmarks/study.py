"""Overhead of a study: wall time of 12 smoke runs by ``nil study``, against the sum of their own seconds.

python benchmarks/study.py [--jobs N] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from nil_core.reporting import Silent
from nil_core.study import StudySpec, run_study
from nil_core.study.grid import Row
from nil_core.study.machine import this_machine

ROWS = (Row("all"), Row("no-iou", {"reward.iou": 0}), Row("no-video", {"reward.video": 0}))


def main() -> None:
    """Print wall time, the sum of the attempts' seconds, and the share of time in which places were not used."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=this_machine().slots)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    out = arguments.out or Path(tempfile.mkdtemp(prefix="nil-study-"))
    began = time.perf_counter()
    result = run_study(
        StudySpec("overhead", ROWS, (0, 1, 2, 3), preset="smoke"), out, None, Silent(), jobs=arguments.jobs
    )
    wall = time.perf_counter() - began
    lines = [json.loads(line) for line in (out / "attempts.jsonl").read_text(encoding="utf-8").splitlines()]
    attempts = sum(line["seconds"] for line in lines if line["event"] == "end")
    summaries = [json.loads((out / run.entry.run / "summary.json").read_text(encoding="utf-8")) for run in result.runs]
    learning = sum(each["learning_seconds"] + each["evaluation_seconds"] for each in summaries)
    print(f"{len(result.runs)} runs, {arguments.jobs} at once: {wall:.0f} s")
    print(f"processes {attempts:.0f} s in total, of which learning and evaluation {learning:.0f} s")
    print(f"overhead of the study: {wall * arguments.jobs / attempts - 1:.1%} of the processes' time")


if __name__ == "__main__":
    main()
