"""Each job as one plain Ray task."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, TaskCancelledError

from nil_core.api import MachineError
from nil_core.study import Handle, Job, Outcome, Parcel, pack, run_here, unpack
from nil_core.study.process import JobProcess
from nil_executor_ray import RayOptions

NEW = "local"
"""Ray's word for a cluster that is started for this process."""


# Ray is started and ended in this thread: a study need not wait for that, and ends and starts keep their order.
_starter = ThreadPoolExecutor(1, "ray")


class RayExecutor:
    """Submits jobs as Ray tasks (implements :class:`nil_core.study.Executor`).

    While a new Ray starts, the first reference is made in a process of this machine.

    Args:
        options: of the plugin.

    Raises:
        MachineError: there is no cluster at that address.
    """

    def __init__(self, options: RayOptions) -> None:
        self.slots = options.jobs
        self._send = options.send
        self._ours = not _starter.submit(ray.is_initialized).result()
        # nil study retries by itself, and notes each attempt
        self._task = ray.remote(num_cpus=options.cpus, num_gpus=options.gpus, max_retries=0)(run_here)
        address = (_address(options) or NEW) if self._ours else None
        self._start = _starter.submit(_start, address, options)
        self._may_precede = address == NEW
        if address != NEW:
            self._wait_for_start()

    def submit(self, job: Job) -> Handle:
        """Submit a task, with what it needs if the study folder is not shared.

        Raises:
            MachineError: Ray cannot be started, or has no machine that is large enough.
        """
        if self._may_precede and job.kind == "reference" and not self._start.done():
            self._may_precede = False
            return EarlyProcess(job, self._start)
        self._wait_for_start()
        parcel = pack(job) if self._send else None
        return RayHandle(job, self._task.remote(job, parcel))

    def close(self) -> None:
        """Leave the cluster; ends a Ray that was started here, without waiting for its end."""
        if self._ours:
            _starter.submit(ray.shutdown)

    def _wait_for_start(self) -> None:
        try:
            self._start.result()
        except MachineError:
            self.close()
            raise


class EarlyProcess(JobProcess):
    """A process that works while Ray starts.

    Args:
        job: what to do.
        start: of Ray.
    """

    def __init__(self, job: Job, start: Future[None]) -> None:
        super().__init__(job)
        self._start: Future[None] | None = start

    def poll(self) -> Outcome | None:
        """The outcome. Raises MachineError, once, if Ray cannot be started: this job may take long."""
        if self._start is not None and self._start.done():
            start, self._start = self._start, None
            start.result()
        return super().poll()


class RayHandle:
    """A task (implements :class:`nil_core.study.Handle`).

    Args:
        job: that it works on.
        task: reference to its result.
    """

    def __init__(self, job: Job, task: Any) -> None:
        self._job = job
        self._task = task

    def poll(self) -> Outcome | None:
        """The outcome; what was sent back is in the study folder."""
        try:
            outcome, parcel = self._result()
        except GetTimeoutError:
            return None
        except (TaskCancelledError, KeyboardInterrupt):
            return Outcome("interrupted")
        except RayError as error:
            return _lost(error)
        unpack(Path(self._job.study), parcel)
        return outcome

    def stop(self) -> None:
        """Cancel the task, which interrupts its run."""
        with contextlib.suppress(RayError, ValueError):
            ray.cancel(self._task, force=False)

    def kill(self) -> None:
        """End the worker of the task."""
        with contextlib.suppress(RayError, ValueError):
            ray.cancel(self._task, force=True)

    def _result(self) -> tuple[Outcome, Parcel]:
        result: tuple[Outcome, Parcel] = ray.get(self._task, timeout=0)
        return result


def _address(options: RayOptions) -> str | None:
    """Address of the cluster to use, None if there is none yet."""
    return options.address or os.environ.get("RAY_ADDRESS") or _cluster_of_this_machine()


def _start(address: str | None, options: RayOptions) -> None:
    """Connect to a cluster, or start one; no address: the one that this process is connected to.

    Raises:
        MachineError: that fails, or no machine of the cluster is large enough for a run.
    """
    if address is not None:
        _connect(address)
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    wanted = {"CPU": options.cpus, "GPU": options.gpus}
    if not any(all(node.get(name, 0.0) >= number for name, number in wanted.items()) for node in nodes):
        raise MachineError(
            f"no machine of the Ray cluster has {options.cpus:g} cores and {options.gpus:g} GPUs",
            "--executor-set cpus=N, --executor-set gpus=N; `ray status` shows what there is",
        )


def _connect(address: str) -> None:
    hint = "`ray status --address ADDRESS` tests it; if it asks for a token: RAY_AUTH_MODE=token before the command"
    # Without its dashboard, Ray starts sooner and takes less of the cores that runs need.
    choices: dict[str, Any] = {"include_dashboard": False} if address == NEW else {}
    try:
        _refuse_unreachable(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **choices)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        what = "Ray cannot be started" if address == NEW else f"there is no Ray cluster at {address}"
        raise MachineError(f"{what}: {' '.join(str(error).split())[:200]}", hint) from None


def _cluster_of_this_machine() -> str | None:
    """Its address, which stays in a file when the cluster is killed; Ray would wait for it then."""
    folder = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir())
    try:
        address = (folder / "ray" / "ray_current_cluster").read_text(encoding="utf-8").strip()
        _refuse_unreachable(address)
    except OSError:
        return None
    return address or None


def _refuse_unreachable(address: str) -> None:
    """Ray itself would try for minutes. Args: ``host:port``, ``ray://host:port``, or a word."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10.0).close()


def _lost(error: RayError) -> Outcome:
    """A worker that died may succeed elsewhere; a machine without this plugin or nil-core does not."""
    cause = getattr(error, "cause", None)
    text = " ".join(str(cause or error).split())
    if isinstance(cause, ImportError) or "ModuleNotFoundError" in text:
        module = getattr(cause, "name", None) or "nil_core"
        error_line = f"a machine of the cluster lacks the module {module}"
        hint = "install nil-core, nil-executor-ray and the plugins of the study on all machines of the cluster"
        return Outcome("failed", error_line, hint, stop=True)
    return Outcome("lost", f"the Ray worker died ({type(error).__name__})", text[:300])
