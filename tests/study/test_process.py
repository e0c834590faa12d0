"""Jobs in processes of their own, and sent to machines that do not see the study."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from nil_core.config import RunConfig
from nil_core.errors import ConfigError
from nil_core.storage.atomic import write_json
from nil_core.study import Job, Outcome, pack, run_here, run_job, unpack
from nil_core.study.executors import build
from nil_core.study.process import JobProcess


def job(study: Path, config: RunConfig | None = None) -> Job:
    config = config or RunConfig(steps=10, generator="nowhere_installed")
    return Job("run", str(study), "id", "runs/a-s0-x", config.to_toml(), "references/r")


def test_an_error_of_a_run_is_an_outcome_and_a_dead_process_is_lost(tmp_path: Path) -> None:
    outcome = run_job(job(tmp_path))
    assert (outcome.state, outcome.stop) == ("failed", False)
    assert outcome.error.startswith("no generator is called 'nowhere_installed'")
    assert outcome.hint
    assert outcome.error in job(tmp_path).log.read_text()
    assert Outcome.from_json(outcome.to_json()) == outcome

    process = JobProcess(job(tmp_path))
    process.kill()
    while (lost := process.poll()) is None:
        time.sleep(0.05)
    assert lost.state == "lost"
    assert "SIGKILL" in lost.error


def test_a_job_is_sent_to_a_machine_that_does_not_see_the_study(tmp_path: Path) -> None:
    here = job(tmp_path / "here")
    write_json(tmp_path / "here" / "references" / "r" / "provenance.json", {"prompt": "walk"})
    write_json(here.folder / "status.json", {"step": 4})
    (here.folder / "lock").touch()
    here.log.parent.mkdir()
    here.log.write_text("an earlier attempt\n")
    there = replace(here, study=str(tmp_path / "there"))
    unseen, nothing = run_here(there)
    assert (unseen.state, unseen.stop, nothing) == ("failed", True, {})
    assert "does not see the study folder" in unseen.error
    outcome, sent_back = run_here(there, pack(here))
    assert outcome.error.startswith("no generator is called")
    assert list(sent_back) == [here.target, "logs/runs-a-s0-x.log"]
    (here.folder / "status.json").unlink()
    unpack(Path(here.study), sent_back)
    assert [path.name for path in here.folder.iterdir()] == ["status.json"]
    assert here.log.read_text().startswith("an earlier attempt\n") and "no generator is called" in here.log.read_text()


def test_an_executor_that_is_not_there_is_one_line() -> None:
    with pytest.raises(ConfigError, match="no executor is called 'moon'; installed: local"):
        build("moon")
