"""Each job of a study as one Slurm job."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import UncompletedJobError
from submitit.helpers import DelayedSubmission

from nil_core.api import MachineError
from nil_core.study import Handle, Job, Outcome, run_here
from nil_executor_submitit import SubmititOptions

UNFINISHED = ("PENDING", "RUNNING", "REQUEUED", "COMPLETING", "PREEMPTED", "SUSPENDED")


class SubmititExecutor:
    """Submits jobs to Slurm (implements :class:`nil_core.study.Executor`).

    Args:
        options: of the plugin.

    Raises:
        MachineError: there is no Slurm here.
    """

    def __init__(self, options: SubmititOptions) -> None:
        if options.cluster != "local" and shutil.which("sbatch") is None:
            raise MachineError(
                "there is no Slurm here: the command sbatch is missing",
                "start the study on a login node; --executor-set cluster=local tries it without Slurm",
            )
        self.slots = options.jobs
        self._options = options
        self._executor: Any = None

    def submit(self, job: Job) -> Handle:
        """Queue a Slurm job, unless that of an earlier start of the study, which was killed, is still there.

        Raises:
            MachineError: Slurm refuses it.
        """
        folder = Path(job.study) / "logs" / "submitit"
        number = folder / f"{job.log.stem}.id"
        try:
            if self._executor is None:
                self._executor = self._make(folder)
            earlier = _unfinished(number) if self._executor.cluster == "slurm" else None
            submitted = earlier or self._executor.submit(Task(), job)
            number.write_text(submitted.job_id, encoding="ascii")
        except OSError:  # of the disk
            raise
        except Exception as error:  # of sbatch, as a failed command
            reason = " ".join(str(error).split())[:300]
            raise MachineError(f"Slurm refuses the job: {reason}", "check --executor-set slurm.KEY=VALUE") from None
        return SubmititHandle(submitted)

    def close(self) -> None:
        """Nothing: queued jobs are Slurm's."""

    def _make(self, logs: Path) -> Any:
        options = self._options
        executor = submitit.AutoExecutor(folder=logs, cluster=options.cluster)
        executor.update_parameters(
            name="nil",
            timeout_min=options.minutes,
            cpus_per_task=options.cpus,
            gpus_per_node=options.gpus,
            mem_gb=options.memory_gb,
        )
        executor.update_parameters(**{f"slurm_{key}": value for key, value in options.slurm.items()})
        return executor


def _unfinished(number: Path) -> Any:
    """The Slurm job whose number is in a file; None if it has ended, or Slurm does not know it."""
    if not number.exists():
        return None
    job: Any = submitit.SlurmJob(number.parent, number.read_text(encoding="ascii").strip())
    return job if job.get_info().get("State") in UNFINISHED else None


class Task:
    """What a Slurm job calls; after preemption or at its time limit it is queued again."""

    def __call__(self, job: Job) -> Outcome:
        """Work on the job."""
        return run_here(job)[0]

    def checkpoint(self, job: Job) -> DelayedSubmission:
        """Queue the job again; its run saves by itself, because Slurm signals its process, too."""
        return DelayedSubmission(self, job)


class SubmititHandle:
    """A Slurm job (implements :class:`nil_core.study.Handle`).

    Args:
        job: of submitit.
    """

    def __init__(self, job: Any) -> None:
        self._job = job
        self._stopped = False

    def poll(self) -> Outcome | None:
        """The outcome."""
        if not self._job.done():
            return None
        try:
            error = self._job.exception()
            outcome: Outcome | None = None if error is not None else self._job.result()
        except UncompletedJobError as uncompleted:
            error, outcome = uncompleted, None
        if outcome is not None:
            return outcome
        if self._stopped:
            return Outcome("interrupted")
        return Outcome("lost", f"the job {self._job.job_id} ended without a result", f"see {self._job.paths.stderr}")

    def stop(self) -> None:
        """Cancel the job: its run saves within the time that Slurm gives it (KillWait, 30 s)."""
        self._stopped = True
        with contextlib.suppress(Exception):  # it may have ended
            self._job.cancel(check=False)

    kill = stop
