"""Run a study: what is finished is skipped, what was interrupted is resumed, what is missing is started."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nil_core.errors import MachineError
from nil_core.payment import Consent, refuse
from nil_core.reporting import Lines, Reporter
from nil_core.storage.lock import run_lock
from nil_core.storage.os_errors import explain_os_errors
from nil_core.study.executors import Executor, build
from nil_core.study.folder import StudyFolder, default_folder
from nil_core.study.grid import Entry, StudySpec
from nil_core.study.local import LocalExecutor
from nil_core.study.references import SharedReference, distinct, prices, shared_reference
from nil_core.study.schedule import RunState, Schedule
from nil_core.train.interrupts import catch_interrupts

RETRIES = 2
View = Callable[[Sequence[RunState]], None]
"""Called about twice a second with the state of all runs."""


@dataclass(frozen=True)
class StudyResult:
    """Result of :func:`run_study`.

    Attributes:
        folder: study folder.
        runs: final state of every run.
        interrupted: whether Ctrl-C ended it; the same call goes on.
    """

    folder: Path
    runs: Sequence[RunState]
    interrupted: bool

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of runs by state; always with ``finished`` and ``failed``."""
        return {"finished": 0, "failed": 0, **Counter(run.state for run in self.runs)}


def run_study(
    spec: StudySpec,
    out: Path | None = None,
    executor: Executor | str | None = None,
    reporter: Reporter | None = None,
    consent: Consent = refuse,
    jobs: int | None = None,
    retries: int = RETRIES,
    view: View | None = None,
) -> StudyResult:
    """Run all entries of a study that are not finished.

    In a script, guard the call with ``if __name__ == "__main__":``.

    Args:
        spec: what to compare.
        out: study folder, new or of an earlier call with the same grid, which may have grown; default
            ``studies/<name>-<robot>``.
        executor: where runs run: an executor, its name, or None for processes on this machine.
        reporter: receives messages.
        consent: asked once, for all paid videos together.
        jobs: runs at once on this machine; default: as many as fit.
        retries: further attempts at a run whose process died.
        view: see :data:`View`.

    Raises:
        ConfigError, PluginError: an invalid grid or executor, or no consent; nothing was started.
        RunError: a folder of another grid, or another process runs this study.
        MachineError: the disk is full, or the cluster is not there; the study goes on with the same call.
    """
    reporter = reporter or Lines()
    entries = spec.entries()
    folder = StudyFolder((out or default_folder(spec, entries)).absolute())
    folder.check(spec, entries)
    references = {entry.hash: shared_reference(entry, spec.reference_seed) for entry in entries}
    with explain_os_errors(folder.path), run_lock(folder.path):
        failures = _buy(_missing_references(folder, entries, references), reporter, consent)
        local = LocalExecutor(jobs)
        remote = build(executor) if isinstance(executor, str) else executor
        try:
            folder.write(spec, entries)
            schedule = Schedule(folder, entries, references, remote or local, local, retries, reporter)
            schedule.fail(failures)
            with catch_interrupts(schedule.stop):
                schedule.run(view or (lambda states: None))
        finally:
            if remote is not None:
                remote.close()
    if schedule.stopped_by:
        raise MachineError(schedule.stopped_by.error, schedule.stopped_by.hint)
    return StudyResult(folder.path, schedule.states(), schedule.stopping)


def _missing_references(
    folder: StudyFolder, entries: Sequence[Entry], references: Mapping[str, SharedReference]
) -> tuple[SharedReference, ...]:
    waiting = [entry for entry in entries if folder.progress(entry.run, entry.config).state == "waiting"]
    needed = distinct(references[entry.hash] for entry in waiting)
    return tuple(reference for reference in needed if not folder.has_reference(reference.path))


def _buy(missing: Sequence[SharedReference], reporter: Reporter, consent: Consent) -> Mapping[str, str]:
    """Ask once for the price of all videos; returns path to error of those that cannot be ordered.

    Raises:
        ConfigError: no consent.
    """
    found = prices(missing)
    if (total := found.total) is not None:
        consent(total)
    paths = {reference.hash: reference for reference in missing}
    failures = {}
    for key, error in found.failures.items():
        reporter.warn(f"no video from {paths[key].config.generator.name}: {error}")
        failures[paths[key].path] = " ".join(error.message.split())
    return failures
