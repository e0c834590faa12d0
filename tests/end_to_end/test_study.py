"""``nil study`` on real runs: one process is killed on the way, and a second start has nothing to do."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nil_core import compare
from nil_core.reporting import Silent
from nil_core.study import StudySpec, run_study
from nil_core.study.grid import Row
from nil_core.study.local import LocalExecutor
from nil_core.study.process import JobProcess
from nil_core.study.study import RunState

SMALL = {"steps": 80, "training.checkpoint_every": 20, "training.log_every": 20, "training.eval_every": 0}
SPEC = StudySpec("small", (Row("all"), Row("no-iou", {"reward.iou": 0})), (3,), SMALL, "smoke")


class Watched(LocalExecutor):
    """Remembers its processes."""

    def submit(self, job):
        self.last = super().submit(job)
        return self.last


def test_a_killed_run_resumes_and_a_second_start_does_nothing(tmp_path: Path, nil: Callable[..., Any]) -> None:
    executor = Watched(jobs=1)
    killed: list[int] = []

    def kill_once(runs: Sequence[RunState]) -> None:
        process = executor.last
        assert isinstance(process, JobProcess)
        if not killed and list((tmp_path / "s" / "runs").glob("all-*/checkpoints/step-*")):
            os.kill(process.pid, signal.SIGKILL)
            killed.append(process.pid)

    result = run_study(SPEC, tmp_path / "s", executor, Silent(), view=kill_once)
    assert killed
    assert result.counts == {"finished": 2, "failed": 0}
    lines = [json.loads(line) for line in (tmp_path / "s" / "attempts.jsonl").read_text().splitlines()]
    ends = [(line["entry"].split("/")[0], line["outcome"]) for line in lines if line["event"] == "end"]
    assert ends == [("references", "finished"), ("runs", "lost"), ("runs", "finished"), ("runs", "finished")]
    for run in result.runs:
        folder = tmp_path / "s" / run.entry.run
        assert [row["step"] for row in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())] == [
            20, 40, 60, 80,
        ]  # fmt: skip
        assert json.loads((folder / "summary.json").read_text())["policies"]["trained"]["iou"] > 0
    again = Watched(jobs=1)
    assert run_study(SPEC, tmp_path / "s", again, Silent()).counts["finished"] == 2
    assert not hasattr(again, "last")
    longer = SPEC.changed({"steps": 100})
    assert run_study(longer, tmp_path / "s", again, Silent()).counts["finished"] == 2
    for run in result.runs:
        assert not (tmp_path / "s" / run.entry.run).exists()
    for entry in longer.entries():
        rows = (tmp_path / "s" / entry.run / "metrics.jsonl").read_text().splitlines()
        assert [row["step"] for row in map(json.loads, rows)] == [20, 40, 60, 80, 100], "it went on"
    saved = nil("eval", tmp_path / "s", "--episodes", "2", "--save")
    assert "saved 2 of 2 runs (0 not finished, 0 failed)" in saved.out, saved.err
    assert {run.evaluation[:5] for run in compare([tmp_path / "s"]).runs} == {"saved"}
    nil("eval", tmp_path / "s").complains("is a study", "--save")
    nil("eval", tmp_path / "s", "--save", "--set", "evaluation.episodez=1").complains("episodez", "evaluation.episodes")
