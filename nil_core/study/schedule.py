"""The loop of a study: references first, then the runs that imitate them, as many at once as the executor takes."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from nil_core.reporting import Reporter
from nil_core.study.executors import Executor, Handle
from nil_core.study.folder import Progress, StudyFolder
from nil_core.study.grid import Entry
from nil_core.study.jobs import SAVE_SECONDS, Job, Outcome
from nil_core.study.references import SharedReference, distinct

POLL_SECONDS = 0.05  # for each job that works: few are noticed soon, many do not keep a cluster busy
MOST_POLL_SECONDS = 0.5
VIEW_SECONDS = 0.5

State = Literal["waiting", "queued", "running", "finished", "interrupted", "failed"]


@dataclass(frozen=True)
class RunState:
    """A run as it is now.

    Attributes:
        entry: which run.
        state: ``waiting`` for its reference or a free place, ``queued`` or ``running`` after it was submitted.
        step: environment steps so far; ``total`` is None if the robot's default is not known yet.
        started: seconds since the start of its attempt, None if none runs.
        advanced: steps since then.
        attempts: of this session.
        error: what went wrong last, in one line.
    """

    entry: Entry
    state: State
    step: int
    total: int | None
    started: float | None
    advanced: int
    attempts: int
    error: str


@dataclass
class _Task:
    """A reference or a run, and its attempts."""

    job: Job
    needs: _Task | None = None  # its reference
    entry: Entry | None = None
    handle: Handle | None = None
    state: State = "waiting"
    attempts: int = 0
    losses: int = 0  # attempts in a row that came no further
    reached: int = 0  # step of the furthest attempt
    started: float = 0.0
    begun_at: int = 0  # step
    progress: Progress | None = None  # last read; of a run that does not work it stays
    error: str = ""
    executor: str = ""


@dataclass
class Schedule:
    """The tasks of a study.

    Attributes:
        folder: of the study, written already.
        entries: runs.
        references: hash of an entry to its reference.
        executor: for runs and free references.
        local: for paid references, because keys and their records are on this machine.
        retries: further attempts at a task whose process died and came no further than before.
        stopped_by: an outcome because of which nothing else was started, such as a full disk.
        stopping: after Ctrl-C.
    """

    folder: StudyFolder
    entries: Sequence[Entry]
    references: Mapping[str, SharedReference]
    executor: Executor
    local: Executor
    retries: int
    reporter: Reporter
    stopped_by: Outcome | None = None
    stopping: bool = False
    _tasks: list[_Task] = field(default_factory=list)

    def __post_init__(self) -> None:
        study, study_id = str(self.folder.path), str(self.folder.read_index()["id"])
        made: dict[str, _Task] = {}
        for reference in distinct(self.references[entry.hash] for entry in self.entries):
            job = Job("reference", study, study_id, reference.path, reference.config.to_toml(), paid=reference.paid)
            done = self.folder.has_reference(reference.path)
            made[reference.hash] = _Task(job, state="finished" if done else "waiting")
        runs = []
        for entry in self.entries:
            reference = self.references[entry.hash]
            job = Job("run", study, study_id, entry.run, entry.config.to_toml(), reference.path)
            progress = self.folder.progress(entry.run, entry.config)
            begun = progress.state != "waiting"  # its folder holds the reference
            state: State = "finished" if progress.finished else "waiting"
            needs = None if begun else made[reference.hash]
            runs.append(_Task(job, needs, entry, state=state, progress=progress))
        needed = {id(run.needs) for run in runs if run.state == "waiting"}
        self._tasks = [*(task for task in made.values() if id(task) in needed), *runs]

    def fail(self, references: Mapping[str, str]) -> None:
        """Mark references that cannot be made. Args: path of a reference to the reason."""
        for task in self._tasks:
            if task.job.target in references:
                task.state, task.error = "failed", references[task.job.target]

    def stop(self) -> None:
        """Start nothing else; ask what runs to save and end."""
        self.stopping = True

    def run(self, view: Callable[[Sequence[RunState]], None]) -> None:
        """Work until all tasks are finished or failed, or :meth:`stop`.

        Raises:
            MachineError: a file of the study cannot be written, or nothing can be started.
        """
        asked = viewed = 0.0
        try:
            while self._working() or (not self.stopping and not self.stopped_by and self._ready()):
                if self.stopping and not asked:
                    asked = time.monotonic()
                    self.reporter.say("stopping: runs save and end; Ctrl-C again ends at once")
                    for task in self._working():
                        _handle(task).stop()
                if asked and time.monotonic() - asked > SAVE_SECONDS:
                    break
                self._collect()
                self._submit()
                if time.monotonic() - viewed >= VIEW_SECONDS:
                    view(self.states())
                    viewed = time.monotonic()
                time.sleep(min(MOST_POLL_SECONDS, POLL_SECONDS * max(1, len(self._working()))))
        except BaseException:
            self._end_all()
            raise
        self._end_all()
        view(self.states())

    def states(self) -> list[RunState]:
        """All runs as they are now."""
        return [self._state(task) for task in self._tasks if task.entry is not None]

    def _state(self, task: _Task) -> RunState:
        assert task.entry is not None
        progress = self._progress(task, task.entry)
        state, error = task.state, task.error
        if task.needs is not None and task.needs.state == "failed" and state == "waiting":
            state, error = "failed", f"no reference: {task.needs.error}"
        if state == "waiting" and progress.state != "waiting":
            state = "interrupted"
        if task.handle is not None:
            state = "running" if progress.step or progress.state != "waiting" else "queued"
        seconds = time.monotonic() - task.started if task.handle is not None else None
        total, advanced = task.entry.config.steps, progress.step - task.begun_at
        return RunState(task.entry, state, progress.step, total, seconds, advanced, task.attempts, error)

    def _working(self) -> list[_Task]:
        return [task for task in self._tasks if task.handle is not None]

    def _ready(self) -> list[_Task]:
        """Tasks that could start now."""
        waiting = [task for task in self._tasks if task.state == "waiting" and task.handle is None]
        return [task for task in waiting if task.needs is None or task.needs.state == "finished"]

    def _submit(self) -> None:
        for task in self._ready():
            if self.stopping or self.stopped_by:
                return
            executor = self.local if task.job.paid else self.executor
            busy = [other for other in self._working() if (self.local if other.job.paid else self.executor) is executor]
            if len(busy) >= executor.slots:
                continue
            task.executor = type(executor).__name__
            task.attempts += 1
            self.folder.note("start", task.job.target, {"executor": task.executor, "attempt": task.attempts})
            task.begun_at = self._step(task)
            task.handle = executor.submit(task.job)
            task.started = time.monotonic()

    def _collect(self) -> None:
        for task in self._working():
            outcome = _handle(task).poll()
            if outcome is None:
                continue
            task.handle = task.progress = None
            self._conclude(task, outcome)
            seconds = round(time.monotonic() - task.started, 1)
            end = {"executor": task.executor, "attempt": task.attempts, "seconds": seconds, "outcome": outcome.state}
            where = {"host": outcome.host} if outcome.host else {}
            self.folder.note("end", task.job.target, {**end, **where, "error": outcome.error})

    def _conclude(self, task: _Task, outcome: Outcome) -> None:
        name = task.job.target.rpartition("/")[2] if task.entry else f"the {task.job.kind} {task.job.target}"
        at_its_end = outcome.state == "lost" and self._is_done(task)
        task.error = "" if at_its_end else outcome.error
        if outcome.state == "finished" or at_its_end:
            task.state = "finished"
            self.reporter.say(f"{name}: finished")
        elif outcome.stop:
            self.stopped_by = self.stopped_by or outcome
            task.state = "failed"
        elif self.stopping:
            pass  # the next start goes on
        elif outcome.state == "failed" or self._gives_up(task):
            task.state = "failed"
            what = outcome.error or "it ended before its last step"
            elsewhere = f" on {outcome.host}" if outcome.host not in ("", socket.gethostname()) else ""
            self.reporter.warn(f"{name} failed{elsewhere}: {what}; {outcome.hint or f'see {task.job.log}'}")
            task.error = what
        else:
            self.reporter.warn(f"{name}: {outcome.error or 'interrupted'}; trying again")

    def _is_done(self, task: _Task) -> bool:
        if task.entry is None:
            return self.folder.has_reference(task.job.target)
        return self._progress(task, task.entry).finished

    def _gives_up(self, task: _Task) -> bool:
        """Count a lost attempt. One that came further than those before does not count."""
        step = self._step(task)
        task.losses = 1 if step > task.reached else task.losses + 1
        task.reached = max(step, task.reached)
        return task.losses > self.retries

    def _step(self, task: _Task) -> int:
        return 0 if task.entry is None else self._progress(task, task.entry).step

    def _progress(self, task: _Task, entry: Entry) -> Progress:
        if task.progress is None or task.handle is not None:
            task.progress = self.folder.progress(task.job.target, entry.config)
        return task.progress

    def _end_all(self) -> None:
        """Let what still runs save, for as long as it takes a checkpoint; then kill it."""
        working = self._working()
        for task in working:
            _handle(task).stop()
        deadline = time.monotonic() + (0.0 if self.stopping else SAVE_SECONDS)
        for task in working:
            while not _ended(task) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
            if task.handle is not None:
                _handle(task).kill()
                task.handle = task.progress = None


def _handle(task: _Task) -> Handle:
    assert task.handle is not None
    return task.handle


def _ended(task: _Task) -> bool:
    """Whether a task has ended; its handle is then gone."""
    if task.handle is not None and task.handle.poll() is not None:
        task.handle = task.progress = None
    return task.handle is None
