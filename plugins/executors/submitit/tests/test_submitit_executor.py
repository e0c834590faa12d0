"""Jobs through submitit's processes on this machine, which stand in for Slurm."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from nil_core.api import MachineError
from nil_core.config import RunConfig
from nil_core.storage.atomic import write_json
from nil_core.study import Job, Outcome

pytest.importorskip("submitit")


def outcome_of(handle: object) -> Outcome:
    until = time.monotonic() + 120
    while (outcome := handle.poll()) is None:  # type: ignore[attr-defined]
        assert time.monotonic() < until
        time.sleep(0.1)
    return outcome


def test_a_job_ends_with_its_outcome_and_can_be_stopped(tmp_path: Path) -> None:
    from nil_executor_submitit import SubmititOptions
    from nil_executor_submitit.executor import SubmititExecutor

    write_json(tmp_path / "study.json", {"id": "id"})
    config = RunConfig(steps=10, generator="nowhere_installed").to_toml()
    job = Job("run", str(tmp_path), "id", "runs/a-s0-x", config, "references/r")
    executor = SubmititExecutor(SubmititOptions(cluster="local"))
    stopped = executor.submit(job)
    stopped.stop()
    outcome = outcome_of(executor.submit(job))
    assert outcome.state == "failed"
    assert outcome.error.startswith("no generator is called 'nowhere_installed'")
    assert outcome_of(stopped).state == "interrupted"


COMMANDS = {
    "srun": "",
    "sbatch": "echo x >> {folder}/submitted; echo Submitted batch job $(wc -l < {folder}/submitted)",
    "sacct": "echo 'JobID|State|NodeList'; for n in $(seq 9); do echo \"$n|$(cat {folder}/state)|node\"; done",
}


def test_a_job_of_a_killed_study_is_waited_for_and_not_queued_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nil_executor_submitit import SubmititOptions
    from nil_executor_submitit.executor import SubmititExecutor

    for name, line in COMMANDS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line.format(folder=tmp_path)}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    job = Job("run", str(tmp_path / "study"), "id", "runs/a-s0-x", "", "references/r")
    for state, submitted in (("RUNNING", 1), ("RUNNING", 1), ("COMPLETED", 2)):
        (tmp_path / "state").write_text(state)
        handle = SubmititExecutor(SubmititOptions()).submit(job)
        assert len((tmp_path / "submitted").read_text().split()) == submitted
        assert state == "COMPLETED" or handle.poll() is None
    with pytest.raises(MachineError, match=r"Slurm refuses the job: .*'moon'"):
        SubmititExecutor(SubmititOptions(slurm={"moon": 1})).submit(job)


def test_a_machine_without_slurm_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from nil_executor_submitit import SubmititOptions
    from nil_executor_submitit.executor import SubmititExecutor

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match="there is no Slurm here"):
        SubmititExecutor(SubmititOptions())
