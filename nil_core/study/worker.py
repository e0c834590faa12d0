"""Process of one job: ``python -m nil_core.study.worker FOLDER PARENT``, started by :mod:`nil_core.study.process`.

``FOLDER/job.json`` is what to do, ``FOLDER/outcome.json`` will be how it ended.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import threading
import time
import tomllib
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from nil_core.config import RunConfig, validate
from nil_core.errors import MachineError, NilError
from nil_core.storage.atomic import write_text
from nil_core.storage.os_errors import unforeseen
from nil_core.study.jobs import SAVE_SECONDS, Job, Outcome

LOCK_SECONDS = SAVE_SECONDS + 10.0  # another process may still be saving the run after it lost its parent


def execute(job: Job) -> Outcome:
    """Make the reference, or start or resume the run, in this process. Never raises for an error of the job."""
    try:
        finished = _make_reference(job) if job.kind == "reference" else _learn(job)
        return Outcome("finished" if finished else "interrupted")
    except KeyboardInterrupt:
        return Outcome("interrupted")
    except NilError as error:
        return _failure(error)
    except OSError as error:
        if (explained := unforeseen(error)) is None:
            raise
        return _failure(explained)


def _failure(error: NilError) -> Outcome:
    return Outcome("failed", " ".join(error.message.split()), error.hint, stop=isinstance(error, MachineError))


def _make_reference(job: Job) -> bool:
    from nil_core.experiment.generate import generate
    from nil_core.payment import agree, refuse
    from nil_core.storage.os_errors import exists
    from nil_core.study.folder import PROVENANCE

    if exists(job.folder / PROVENANCE):  # of a process that was taken for dead
        return True
    generate(_config(job), job.folder, consent=agree if job.paid else refuse)
    return True


def _learn(job: Job) -> bool:
    from nil_core.experiment.resume import resume
    from nil_core.experiment.run import run
    from nil_core.storage.os_errors import exists
    from nil_core.storage.run_folder import RunFolder
    from nil_core.study.folder import progress

    config = _config(job)
    if not exists(RunFolder(job.folder).manifest):
        return run(config, job.folder, Path(job.study) / job.reference).finished
    _wait_for_lock(job.folder)
    if progress(job.folder, config).finished:
        return True
    return resume(job.folder).finished


def _wait_for_lock(folder: Path) -> None:
    from filelock import FileLock, Timeout

    from nil_core.storage.lock import NAME

    with suppress(Timeout), FileLock(folder / NAME, timeout=LOCK_SECONDS):
        pass


def _config(job: Job) -> RunConfig:
    return validate(tomllib.loads(job.config))


def _end_with(parent: int) -> None:
    """Interrupt this process, which saves its run, when its parent is gone; end it if it does not end by itself."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        _log("the process that started this one is gone: saving")
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(SAVE_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _log(text: str) -> None:
    """Print; the disk of the log may be full."""
    with suppress(OSError):
        print(text, flush=True)


def _interrupt_on(number: int) -> None:
    """Treat a signal of a scheduler that ends the job soon as Ctrl-C."""
    with suppress(ValueError, OSError):
        signal.signal(number, lambda *_: os.kill(os.getpid(), signal.SIGINT))


def main() -> None:
    """Work on the job, and write its outcome."""
    folder, parent = Path(sys.argv[1]), int(sys.argv[2])
    for name in ("SIGUSR1", "SIGUSR2"):
        if hasattr(signal, name):
            _interrupt_on(getattr(signal, name))
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    _end_with(parent)
    job = Job.from_json((folder / "job.json").read_text(encoding="utf-8"))
    sys.argv = ["nil", "study", job.study]  # the command that the run's manifest names
    _log(f"--- {job.kind} {job.target} on {socket.gethostname()}, {time.strftime('%Y-%m-%d %H:%M:%S')}")
    try:
        outcome = execute(job)
    except BaseException as error:  # a bug, or a worker process that died: another attempt may succeed
        traceback.print_exc()
        outcome = Outcome("lost", f"{type(error).__name__}: {' '.join(str(error).split())}", f"see {job.log}")
    if outcome.error:
        _log(f"nil: {outcome.error}\n     {outcome.hint}")
    write_text(folder / "outcome.json", replace(outcome, host=socket.gethostname()).to_json())
    if os.getppid() != parent:  # nobody will read it
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
