"""The loop of a study, with jobs that end at once as they are told to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nil_core.errors import ConfigError, MachineError
from nil_core.payment import Estimate
from nil_core.reporting import Silent
from nil_core.storage.atomic import write_json
from nil_core.storage.run_folder import RunFolder
from nil_core.study import Job, Outcome, StudyResult, StudySpec, run_study
from nil_core.study import schedule as schedule_module
from nil_core.study import study as study_module
from nil_core.study.grid import Row
from nil_core.study.references import Prices

SPEC = StudySpec("s", (Row("a"), Row("b", {"reward.iou": 0})), (0, 1), {"steps": 10})
LOST = Outcome("lost", "the process died (signal SIGKILL)")


def finish(job: Job) -> Outcome:
    """Leave what a finished job leaves."""
    if job.kind == "reference":
        write_json(job.folder / "provenance.json", {})
        return Outcome("finished")
    assert (Path(job.study) / job.reference / "provenance.json").exists()
    advance(job, 10, finished=True)
    return Outcome("finished")


def advance(job: Job, step: int, finished: bool = False) -> None:
    folder = RunFolder(job.folder)
    write_json(folder.manifest, {"nil": "run"})
    folder.write_status("learning", step)
    if finished:
        write_json(folder.summary, {"finished": True, "steps": 10})


@dataclass
class Handle:
    outcome: Outcome

    def poll(self) -> Outcome:
        return self.outcome

    def stop(self) -> None: ...

    def kill(self) -> None: ...


@dataclass
class Scripted:
    """An executor whose jobs end as a function says."""

    act: Callable[[Job, int], Outcome]
    slots: int = 2
    seen: list[Job] = field(default_factory=list)

    def submit(self, job: Job) -> Handle:
        self.seen.append(job)
        attempt = sum(job.target == other.target for other in self.seen)
        return Handle(self.act(job, attempt))

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule_module, "POLL_SECONDS", 0.0)


def study(out: Path, executor: Scripted, spec: StudySpec = SPEC) -> StudyResult:
    return run_study(spec, out, executor, Silent())


def test_finished_runs_are_skipped_and_a_grid_grows(tmp_path: Path) -> None:
    first = Scripted(lambda job, attempt: finish(job))
    assert study(tmp_path / "s", first).counts == {"finished": 4, "failed": 0}
    assert [job.kind for job in first.seen] == ["reference", "run", "run", "run", "run"]
    again = Scripted(lambda job, attempt: finish(job))
    study(tmp_path / "s", again)
    assert again.seen == []
    study(tmp_path / "s", again, SPEC.changed(seeds=3))
    assert sorted(job.target.split("-s")[0] for job in again.seen) == ["runs/a", "runs/b"]
    lines = [json.loads(line) for line in (tmp_path / "s" / "attempts.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines].count("end") == len(first.seen) + len(again.seen)


def test_a_lost_run_is_tried_again_for_as_long_as_it_advances(tmp_path: Path) -> None:
    def act(job: Job, attempt: int) -> Outcome:
        if job.kind == "reference" or attempt == 6:
            return finish(job)
        advance(job, min(attempt, 4))
        return LOST

    executor = Scripted(act)
    assert study(tmp_path / "s", executor).counts["finished"] == 4

    def die_at_the_end(job: Job, attempt: int) -> Outcome:
        finish(job)
        return LOST

    dying = Scripted(die_at_the_end)
    result = study(tmp_path / "d", dying)
    assert result.counts["finished"] == 4 and not any(run.error for run in result.runs)
    assert [job.kind for job in dying.seen].count("run") == 4, "none is tried again"

    stuck = Scripted(lambda job, attempt: finish(job) if job.kind == "reference" else LOST)
    result = study(tmp_path / "t", stuck)
    assert result.counts == {"finished": 0, "failed": 4}
    assert len(stuck.seen) == 1 + 4 * 3
    assert "SIGKILL" in result.runs[0].error


def test_one_failing_row_leaves_the_others(tmp_path: Path) -> None:
    def act(job: Job, attempt: int) -> Outcome:
        return Outcome("failed", "NaN in the loss") if job.target.startswith("runs/b") else finish(job)

    executor = Scripted(act)
    result = study(tmp_path / "s", executor)
    assert [(run.entry.row, run.state, run.attempts) for run in result.runs] == [
        ("a", "finished", 1), ("b", "failed", 1), ("a", "finished", 1), ("b", "failed", 1),
    ]  # fmt: skip


def test_a_failed_reference_fails_its_runs_alone(tmp_path: Path) -> None:
    spec = StudySpec("s", (Row("a"), Row("b", {"robot.camera_azimuth": 90.0})), (0,), {"steps": 10})

    def act(job: Job, attempt: int) -> Outcome:
        bad = job.kind == "reference" and "camera_azimuth" in job.config
        return Outcome("failed", "no robot in the video") if bad else finish(job)

    result = study(tmp_path / "s", Scripted(act), spec)
    assert [(run.state, run.error) for run in result.runs] == [
        ("finished", ""), ("failed", "no reference: no robot in the video"),
    ]  # fmt: skip


def test_a_full_disk_stops_the_study_and_loses_nothing(tmp_path: Path) -> None:
    full = Outcome("failed", "cannot write X: the disk is full", "free some space", stop=True)

    def act(job: Job, attempt: int) -> Outcome:
        return full if job.target.startswith("runs/b-s0") else finish(job)

    executor = Scripted(act, slots=1)
    with pytest.raises(MachineError, match="the disk is full"):
        study(tmp_path / "s", executor)
    assert [job.target[:9] for job in executor.seen[1:]] == ["runs/a-s0", "runs/b-s0"]
    assert study(tmp_path / "s", Scripted(lambda job, attempt: finish(job))).counts["finished"] == 4


def test_after_an_interrupt_nothing_starts_and_the_next_call_goes_on(tmp_path: Path) -> None:
    import os
    import signal

    def act(job: Job, attempt: int) -> Outcome:
        if job.kind == "reference":
            return finish(job)
        advance(job, 5)
        os.kill(os.getpid(), signal.SIGINT)
        return Outcome("interrupted")

    executor = Scripted(act, slots=1)
    result = study(tmp_path / "s", executor)
    assert result.interrupted
    assert [run.state for run in result.runs] == ["interrupted", "waiting", "waiting", "waiting"]
    assert len(executor.seen) == 2
    assert study(tmp_path / "s", Scripted(lambda job, attempt: finish(job))).counts["finished"] == 4


def test_all_paid_videos_are_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = StudySpec(
        "s",
        tuple(
            Row(model, {"generator.name": "kling", "generator.model": model}) for model in ("kling-v1", "kling-v1-6")
        ),
        (0, 1),
        {"steps": 10},
    )

    def known(references: object) -> Prices:
        found = {reference.hash: Estimate(0.28, reference.path) for reference in references}  # type: ignore[attr-defined]
        return Prices(found, {})

    monkeypatch.setattr(study_module, "prices", known)
    with pytest.raises(ConfigError, match=r"this would cost about 0\.56 USD for 2 videos"):
        run_study(spec, tmp_path / "s", Scripted(lambda job, attempt: finish(job)), Silent())
    asked: list[Estimate] = []
    here = Scripted(lambda job, attempt: finish(job))
    monkeypatch.setattr(study_module, "LocalExecutor", lambda jobs: here)
    cluster = Scripted(lambda job, attempt: finish(job))
    result = run_study(spec, tmp_path / "s", cluster, Silent(), asked.append)
    assert result.counts["finished"] == 4
    assert [estimate.amount for estimate in asked] == [0.56]
    assert [(job.kind, job.paid) for job in here.seen] == [("reference", True)] * 2  # where the keys are
    assert {job.kind for job in cluster.seen} == {"run"}
