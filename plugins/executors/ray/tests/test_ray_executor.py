"""Jobs on a Ray that is started on this machine."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nil_core.api import MachineError
from nil_core.config import RunConfig
from nil_core.storage.atomic import write_json
from nil_core.study import Job

# Ray starts processes of its own, and takes over the standard streams of this one.
pytestmark = pytest.mark.skipif("NIL_TEST_RAY" not in os.environ, reason="set NIL_TEST_RAY=1, and run this file alone")


@pytest.fixture
def executor() -> Iterator[Any]:
    from nil_executor_ray import RayOptions
    from nil_executor_ray.executor import RayExecutor

    made = RayExecutor(RayOptions(address="local", cpus=1, send=True))
    yield made
    made.close()


def test_jobs_end_with_their_outcome_seen_or_sent(executor: Any, tmp_path: Path) -> None:
    config = RunConfig(steps=10, generator="nowhere_installed").to_toml()
    write_json(tmp_path / "seen" / "study.json", {"id": "id"})
    jobs = [Job("run", str(tmp_path / name), "id", "runs/a-s0-x", config) for name in ("seen", "sent")]
    write_json(jobs[1].folder / "status.json", {"step": 4})
    handles = [executor.submit(job) for job in jobs]
    outcomes = [None, None]
    until = time.monotonic() + 200
    while None in outcomes and time.monotonic() < until:
        outcomes = [was or handle.poll() for was, handle in zip(outcomes, handles, strict=True)]
        time.sleep(0.1)
    for outcome in outcomes:
        assert outcome is not None
        assert outcome.error.startswith("no generator is called 'nowhere_installed'")
    assert all(job.log.exists() for job in jobs)
    assert (jobs[1].folder / "status.json").exists()


def test_a_reference_is_made_while_ray_starts_and_hides_no_failure(tmp_path: Path) -> None:
    from nil_executor_ray import RayOptions
    from nil_executor_ray.executor import EarlyProcess, RayExecutor

    executor = RayExecutor(RayOptions(cpus=100_000, address="local"))
    job = Job("reference", str(tmp_path), "id", "references/x", RunConfig(generator="nowhere_installed").to_toml())
    handle = executor.submit(job)
    assert isinstance(handle, EarlyProcess)
    with pytest.raises(MachineError, match="no machine of the Ray cluster has 100000 cores"):
        executor.submit(job)
    with pytest.raises(MachineError, match="100000 cores"):
        handle.poll()
    outcome, until = None, time.monotonic() + 200
    while outcome is None and time.monotonic() < until:
        outcome = handle.poll()
        time.sleep(0.1)
    assert outcome is not None
    assert outcome.error.startswith("no generator is called 'nowhere_installed'")
    executor.close()


def test_a_cluster_that_is_not_there_is_one_line() -> None:
    from nil_executor_ray import RayOptions
    from nil_executor_ray.executor import RayExecutor

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(MachineError, match=f"there is no Ray cluster at 127.0.0.1:{port}"):
        RayExecutor(RayOptions(address=f"127.0.0.1:{port}"))


def test_a_cluster_that_was_killed_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nil_executor_ray.executor import _cluster_of_this_machine

    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert not _cluster_of_this_machine()
    file = tmp_path / "ray" / "ray_current_cluster"
    file.parent.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        file.write_text(address)
        assert _cluster_of_this_machine() == address
    assert not _cluster_of_this_machine()
