"""Each job as one plain Ray task."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, TaskCancelledError

from nil_core.api import MachineError
from nil_core.study import Handle, Job, Outcome, Parcel, pack, run_here, unpack
from nil_executor_ray import RayOptions


class RayExecutor:
    """Submits jobs as Ray tasks (implements :class:`nil_core.study.Executor`).

    Args:
        options: of the plugin.

    Raises:
        MachineError: there is no cluster at that address, or Ray cannot be started.
    """

    def __init__(self, options: RayOptions) -> None:
        self.slots = options.jobs
        self._send = options.send
        self._ours = not ray.is_initialized()
        if self._ours:
            _connect(options.address)
        # nil study retries by itself, and notes each attempt
        self._task = ray.remote(num_cpus=options.cpus, num_gpus=options.gpus, max_retries=0)(run_here)
        self._refuse_impossible(options)

    def submit(self, job: Job) -> Handle:
        """Submit a task, with what it needs if the study folder is not shared."""
        parcel = pack(job) if self._send else None
        return RayHandle(job, self._task.remote(job, parcel))

    def close(self) -> None:
        """Leave the cluster; ends a Ray that was started here."""
        if self._ours:
            ray.shutdown()

    def _refuse_impossible(self, options: RayOptions) -> None:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        wanted = {"CPU": options.cpus, "GPU": options.gpus}
        if not any(all(node.get(name, 0.0) >= number for name, number in wanted.items()) for node in nodes):
            self.close()
            raise MachineError(
                f"no machine of the Ray cluster has {options.cpus:g} cores and {options.gpus:g} GPUs",
                "--executor-set cpus=N, --executor-set gpus=N; `ray status` shows what there is",
            )


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


def _connect(address: str | None) -> None:
    where = address or os.environ.get("RAY_ADDRESS", "")
    hint = "`ray status --address ADDRESS` tests it; if it asks for a token: RAY_AUTH_MODE=token before the command"
    try:
        if where:
            _refuse_unreachable(where)
        elif _remembers_a_dead_cluster():
            address = "local"
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        what = f"there is no Ray cluster at {where}" if where else "Ray cannot be started"
        raise MachineError(f"{what}: {' '.join(str(error).split())[:200]}", hint) from None


def _remembers_a_dead_cluster() -> bool:
    """Whether Ray would look for a cluster of this machine that was killed: its address stays in a file."""
    folder = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir())
    try:
        address = (folder / "ray" / "ray_current_cluster").read_text(encoding="utf-8").strip()
    except OSError:
        return False
    try:
        _refuse_unreachable(address)
    except OSError:
        return True
    return False


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
