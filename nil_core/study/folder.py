"""The study folder: plain files, so that other programs can read a study while it runs.

``study.toml`` what was asked; ``study.json`` its entries; ``references/<hash8>/`` as ``nil generate`` leaves them;
``runs/<row>-s<seed>-<hash8>/`` ordinary run folders; ``attempts.jsonl`` a line for each start and end of an attempt;
``logs/`` the output of the processes; ``lock`` held by the process that runs the study.
"""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nil_core.config import RunConfig, flatten
from nil_core.errors import NilError, RunError
from nil_core.storage import log, study_index
from nil_core.storage.atomic import write_json, write_text
from nil_core.storage.lock import run_lock
from nil_core.storage.os_errors import exists, explain_os_errors
from nil_core.storage.run_folder import RunFolder, open_run
from nil_core.storage.study_index import read_study_index
from nil_core.study.grid import Entry, StudySpec, read_spec, run_path, with_steps
from nil_core.study.references import shared_reference

PROVENANCE = "provenance.json"  # of a complete reference
_TAIL = 4096  # bytes at the end of metrics.jsonl that hold its last line


@dataclass(frozen=True)
class Progress:
    """How far a run is, from the files of its folder.

    Attributes:
        state: ``waiting`` if it was never started, else as in ``status.json``.
        step: environment steps that its metrics tell of.
        finished: whether it has its final evaluation.
    """

    state: str
    step: int
    finished: bool


@dataclass(frozen=True)
class StudyFolder:
    """Names of everything in a study folder, and its small files.

    Attributes:
        path: absolute.
    """

    path: Path

    @property
    def spec(self) -> Path:
        """What was asked."""
        return self.path / "study.toml"

    @property
    def index(self) -> Path:
        """Its entries."""
        return self.path / study_index.NAME

    @property
    def attempts(self) -> Path:
        """Starts and ends of attempts."""
        return self.path / "attempts.jsonl"

    def read_index(self) -> dict[str, Any]:
        """Its entries. Returns and raises as :func:`nil_core.storage.study_index.read_study_index`."""
        return read_study_index(self.path)

    def read_spec(self) -> StudySpec:
        """What was asked. Raises as :func:`nil_core.study.grid.read_spec`."""
        return read_spec(self.spec)

    def check(self, spec: StudySpec, entries: Sequence[Entry]) -> None:
        """Refuse a folder of another grid.

        More rows or seeds, and fewer, rows of new names, and rows that are learned for more steps, are the same grid.

        Raises:
            RunError: a row of the same name has another config, or the folder holds something else.
        """
        index = self.read_index()
        if not index:
            if exists(self.path) and not self.path.is_dir():
                raise RunError(f"{self.path} is a file", "choose another folder with --out")
            known = {"lock", "runs", "references", "logs", "attempts.jsonl", "study.toml"}
            known |= {"report.html", "report.md", "report.csv"}
            if self.path.is_dir() and (other := sorted({each.name for each in self.path.iterdir()} - known)):
                raise RunError(f"{self.path} is no study folder: it holds {other[0]}", "choose another with --out")
            return
        before = {each["row"]: (each["config"], each["reference"]) for each in index["entries"]}
        hint = "choose another folder with --out, or give the changed rows other names"
        longer = {entry.row for entry in self.lengthened(entries).values()}
        if longer and (others := sorted(before.keys() - longer)):
            raise RunError(f"the rows {', '.join(others)} of {self.path} keep their steps", "start all rows together")
        for entry in entries:
            now = entry.row_hash, shared_reference(entry, spec.reference_seed).path
            was = before.get(entry.row, now)
            if was != now and (entry.row not in longer or was[1] != now[1]):
                raise RunError(f"{self.path} holds another grid: {self._difference(spec, entry)}", hint)
        if index.get("name") != spec.name:
            hint = f"choose another folder with --out, or name the study {index.get('name')}"
            raise RunError(f"{self.path} holds the study {index.get('name')}, not {spec.name}", hint)

    def _difference(self, spec: StudySpec, entry: Entry) -> str:
        """What a row has that it had not when the study was started, in a few words."""
        try:
            before = self.read_spec()
            configs = {each.row: flatten(each.config.tree()) for each in before.entries()}
        except NilError:  # the config of another nil
            return f"its row {entry.row} has another config"
        if before.reference_seed != spec.reference_seed:
            return f"its base.seed is {before.reference_seed}, not {spec.reference_seed}"
        was, now = ({**config, "seed": None} for config in (configs[entry.row], flatten(entry.config.tree())))
        changed = [key for key in sorted(was.keys() | now.keys()) if was.get(key) != now.get(key)]
        if not changed:
            return f"its row {entry.row} has another config"
        more = f", and {len(changed) - 1} more differ" if len(changed) > 1 else ""
        values = f"{was.get(changed[0], 'not set')}, not {now.get(changed[0], 'not set')}"
        return f"its row {entry.row} has {changed[0]} {values}{more}"

    def write(self, spec: StudySpec, entries: Sequence[Entry]) -> None:
        """Write ``study.toml`` and ``study.json``; entries of earlier starts stay listed.

        The runs of a row that has another name, or is learned for more steps, get their new names.

        Raises:
            RunError: one of these runs is being learned.
            MachineError: the folder cannot be written.
        """
        index = self.read_index()
        renamed, longer = self.renamed(entries), self.lengthened(entries)
        moved = [self._move(each, renamed, longer) for each in index.get("entries", [])]
        listed = {each["hash"]: each for each in moved}
        for entry in entries:
            listed[entry.hash] = {
                "row": entry.row,
                "seed": entry.seed,
                "hash": entry.hash,
                "config": entry.row_hash,
                "run": entry.run,
                "reference": shared_reference(entry, spec.reference_seed).path,
            }
        if index:
            before = self.read_spec()
            rows = tuple(row for row in before.rows if row.name not in renamed and not longer)
            spec = _grown(replace(before, rows=rows), spec)
        write_text(self.spec, spec.to_toml())
        identity = index.get("id") or uuid.uuid4().hex
        value = {
            "nil": "study",
            "schema": study_index.SCHEMA,
            "id": identity,
            "name": spec.name,
            "entries": [*listed.values()],
        }
        write_json(self.index, value)

    def renamed(self, entries: Iterable[Entry]) -> dict[str, str]:
        """Rows of earlier starts whose config has another name now: former name to name."""
        rows = {entry.row: entry.row_hash for entry in entries}
        names = {config: row for row, config in rows.items()}
        before = {each["row"]: each["config"] for each in self.read_index().get("entries", [])}
        return {row: names[config] for row, config in before.items() if row not in rows and config in names}

    def places(self, entries: Iterable[Entry]) -> dict[str, str]:
        """Where the listed runs are before :meth:`write`, by the hash that they will have: folders relative to this."""
        longer = self.lengthened(entries)
        listed = self.read_index().get("entries", [])
        return {longer[h].hash if (h := each["hash"]) in longer else h: each["run"] for each in listed}

    def lengthened(self, entries: Iterable[Entry]) -> dict[str, Entry]:
        """Runs of earlier starts that are learned for more steps now, of all seeds: former hash to entry.

        The steps have to be set now; steps that were not set are those of the robot, which is loaded.
        """
        entries = tuple(entries)
        listed = {each["row"]: each["config"] for each in self.read_index().get("entries", [])}
        rows = {entry.row: entry.config for entry in entries if listed.get(entry.row) not in (None, entry.row_hash)}
        if not rows:
            return {}
        try:
            before = self.read_spec().entries() if exists(self.spec) else ()
        except NilError:  # the config of another nil
            return {}
        found = {}
        for was in before:
            if (config := rows.get(was.row)) is None or config.steps in (None, was.config.steps):
                continue
            now = Entry(was.row, config.model_copy(update={"seed": was.seed}))
            same = Entry(was.row, was.config.model_copy(update={"steps": config.steps})).hash == now.hash
            if same and config.total_steps > with_steps(was.config).total_steps:
                found[was.hash] = now
        return found

    def _move(self, listed: dict[str, Any], renamed: Mapping[str, str], longer: Mapping[str, Entry]) -> dict[str, Any]:
        """An entry as it is called now, with the folder of its run."""
        row = renamed.get(listed["row"], listed["row"])
        now = longer.get(listed["hash"])
        digest, config = (now.hash, now.row_hash) if now else (listed["hash"], listed["config"])
        run = run_path(row, listed["seed"], digest)
        before, after = self.path / listed["run"], self.path / run
        if before != after and exists(before) and not exists(after):
            with run_lock(before):
                if now:
                    _lengthen(before, now.config)
            with explain_os_errors(after):
                before.rename(after)
        return {**listed, "row": row, "hash": digest, "config": config, "run": run}

    def note(self, event: str, target: str, values: Mapping[str, Any]) -> None:
        """Append a line to ``attempts.jsonl``.

        Args:
            event: ``start`` or ``end``.
            target: run or reference, relative to this folder.
            values: more keys.
        """
        at = time.strftime("%Y-%m-%d %H:%M:%S")
        log.append(self.attempts, {"event": event, "entry": target, "host": socket.gethostname(), "at": at, **values})

    def has_reference(self, path: str) -> bool:
        """Whether a reference is complete."""
        return exists(self.path / path / PROVENANCE)

    def progress(self, run: str, config: RunConfig) -> Progress:
        """How far a run is; never raises for a damaged folder, which fails when it is resumed."""
        return progress(self.path / run, config)


def _lengthen(run: Path, config: RunConfig) -> None:
    """Give a run the steps of a config; one that cannot be read fails when it is resumed."""
    with suppress(RunError):
        folder, before = open_run(run)
        folder.write_config(before.model_copy(update={"steps": config.steps}))


def progress(path: Path, config: RunConfig) -> Progress:
    """How far the run in a folder is. Args as :meth:`StudyFolder.progress`."""
    folder = RunFolder(path)
    if not exists(folder.manifest):
        return Progress("waiting", 0, False)
    try:
        status, summary = folder.read(folder.status), folder.read(folder.summary)
    except NilError:
        return Progress("damaged", 0, False)
    step = status.get("step", 0) if isinstance(status.get("step", 0), int) else 0
    finished = summary.get("finished") is True and config.steps in (None, summary.get("steps"))
    return Progress(str(status.get("state", "?")), max(step, _last_step(folder.metrics)), finished)


def _last_step(file: Path) -> int:
    """Step of the last whole line of ``metrics.jsonl``, without reading all of it."""
    try:
        with open(file, "rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - _TAIL))
            lines = stream.read().splitlines()
    except OSError:
        return 0
    for line in reversed(lines):
        try:
            return int(json.loads(line)["step"])
        except (ValueError, LookupError, TypeError):
            continue
    return 0


def _grown(before: StudySpec, now: StudySpec) -> StudySpec:
    """A spec with the rows and seeds of both; rows of the same name are equal."""
    names = {row.name for row in before.rows}
    rows = (*before.rows, *(row for row in now.rows if row.name not in names))
    seeds = (*before.seeds, *(seed for seed in now.seeds if seed not in before.seeds))
    return StudySpec(now.name, rows, seeds, now.base, now.preset)


def default_folder(spec: StudySpec, entries: Iterable[Entry]) -> Path:
    """``studies/<name>``, with the robot if there is only one: the same for every start of the same study."""
    robots = {entry.config.robot.name for entry in entries}
    name = spec.name if len(robots) > 1 else f"{spec.name}-{robots.pop()}"
    return Path("studies") / name
