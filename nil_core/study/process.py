"""One job in its own process: started, watched, stopped."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from nil_core.storage.os_errors import explain_os_errors
from nil_core.study.jobs import SAVE_SECONDS, Job, Outcome

WORKER = "nil_core.study.worker"


class JobProcess:
    """A process that works on one job. It ends by itself, saving its run, when this process dies.

    Args:
        job: what to do.
        environment: environment variables in addition to those of this process.

    Raises:
        MachineError: the log cannot be written; see :func:`nil_core.storage.os_errors.explain_os_errors`.
    """

    def __init__(self, job: Job, environment: Mapping[str, str] | None = None) -> None:
        self.job = job
        with explain_os_errors(Path(job.study)):
            job.log.parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix="nil-job-"))
            (self._folder / "job.json").write_text(job.to_json(), encoding="utf-8")
            self._process = self._spawn(environment or {})

    def _spawn(self, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        # Its own session: Ctrl-C in the terminal reaches only this process, which stops the others in order.
        with open(self.job.log, "ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", WORKER, str(self._folder), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def poll(self) -> Outcome | None:
        """The outcome, None while it works."""
        if not self.ended:
            return None
        outcome = self._read_outcome()
        shutil.rmtree(self._folder, ignore_errors=True)
        return outcome

    def stop(self) -> None:
        """Ask it to save and end."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End it and its workers at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if not self.ended:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _read_outcome(self) -> Outcome:
        try:
            return Outcome.from_json((self._folder / "outcome.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError):
            code = self._process.returncode
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            self.kill()  # workers that it left behind
            return Outcome("lost", f"the process died ({how})", f"see {self.job.log}", host=socket.gethostname())


def run_job(job: Job, environment: Mapping[str, str] | None = None, stop_seconds: float = SAVE_SECONDS) -> Outcome:
    """Work on a job in a child process, and wait for it. For executors on other machines.

    Ctrl-C, or an exception of the scheduler in this thread, stops the job; it saves first.

    Args:
        job: what to do.
        environment: as in :class:`JobProcess`.
        stop_seconds: time for saving, after which the job is killed.
    """
    process = JobProcess(job, environment)
    try:
        while (outcome := process.poll()) is None:
            time.sleep(0.05)
        return outcome
    except BaseException:
        process.stop()
        deadline = time.monotonic() + stop_seconds
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        process.kill()
        raise
