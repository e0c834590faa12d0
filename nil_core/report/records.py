"""What a report is about: runs, read from run folders and study folders, each with the reason if it is not compared."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from nil_core.config import flatten
from nil_core.errors import NilError, RunError
from nil_core.reference.folder import PROVENANCE
from nil_core.report.metrics import measured, number, table, trained
from nil_core.storage import log
from nil_core.storage.os_errors import exists, explain_os_errors
from nil_core.storage.run_folder import FORMAT, RunFolder

Outcome = Literal["compared", "failed", "not finished", "not started", "damaged", "other evaluation"]

STUDY_SCHEMA = 1


@dataclass(frozen=True)
class Run:
    """A run, as its folder tells.

    Attributes:
        path: of its folder.
        row: of the study; empty outside of studies.
        outcome: ``compared``, or why not.
        reason: the same in words; empty if it is compared.
        seed: None if unknown.
        step: environment steps done.
        settings: dotted keys of ``config.toml`` to values.
        manifest, summary, provenance: content of the files; empty if there is none.
        lines: of ``metrics.jsonl``.
        timing: lines of ``timing.jsonl``.
    """

    path: Path
    row: str
    outcome: Outcome
    reason: str
    seed: int | None = None
    step: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    lines: Sequence[Mapping[str, Any]] = ()
    timing: Sequence[Mapping[str, Any]] = ()

    @property
    def shown_path(self) -> str:
        """Its path as text that can be written in UTF-8."""
        return readable(self.path)

    @cached_property
    def metrics(self) -> Mapping[str, float]:
        """Metric key to value of the final evaluation."""
        return measured(self.summary)

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """Dotted key to value, with the defaults of component options, which ``config.toml`` leaves out."""
        components = table(self.manifest.get("components"))
        options = {kind: table(table(each).get("options")) for kind, each in components.items()}
        return dict(self.settings) | flatten({kind: each for kind, each in options.items() if each})

    @property
    def versions(self) -> Mapping[str, Any]:
        """Distribution to version of the core and the plugins."""
        return table(self.manifest.get("versions"))

    @property
    def seconds(self) -> float:
        """Wall time of learning, with its evaluations."""
        logged = sum(number(line.get("seconds")) or 0.0 for line in self.timing)
        return logged or number(self.summary.get("learning_seconds")) or 0.0

    @property
    def video(self) -> Path:
        """Reference beside rollout; it may be missing."""
        return RunFolder(self.path).videos / "comparison.mp4"

    @property
    def paid(self) -> tuple[str, float | None, str] | None:
        """Key of the paid video, its price (None: unknown) and currency; None if it cost nothing."""
        video = table(self.provenance.get("video"))
        cost = table(table(video.get("facts")).get("cost"))
        if not cost:
            return None
        return str(video.get("key", self.path)), number(cost.get("estimate")), str(cost.get("currency", "USD"))


@dataclass(frozen=True)
class Source:
    """A folder that a report was asked for.

    Attributes:
        path: of the folder.
        study: name of the study; empty for a single run.
        asked: text of ``study.toml``, or the command that made the run.
        runs: all of its runs.
    """

    path: Path
    study: str
    asked: str
    runs: tuple[Run, ...]


def read_sources(folders: Iterable[Path]) -> list[Source]:
    """Read run folders and study folders; each folder once.

    Raises:
        RunError: a folder is neither, or a study without runs; names the folder.
        MachineError: it cannot be reached.
    """
    distinct = {Path(os.path.realpath(folder)): Path(folder) for folder in folders}
    if not distinct:
        raise RunError("no folder was given", "for example: nil report runs/*")
    return [_read_source(folder) for folder in distinct.values()]


def readable(path: Path) -> str:
    """A path as text that can be written in UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")


def _read_source(path: Path) -> Source:
    if exists(path / "study.json"):
        return _read_study(path)
    if exists(RunFolder(path).manifest):
        run = read_run(path)
        words = run.manifest.get("command")
        command = shlex.join(map(str, words)) if isinstance(words, list) else ""
        return Source(path, "", command, (run,))
    if exists(path / "study.toml"):
        raise RunError(f"the study {path} was not started", f"nil study {shlex.quote(str(path))}")
    if not exists(path):
        raise RunError(f"{path} does not exist", "`nil runs list` shows the runs under ./runs")
    raise RunError(f"{path} is neither a run folder nor a study folder", _hint(path))


def _hint(path: Path) -> str:
    below = [each for each in sorted(path.iterdir()) if exists(RunFolder(each).manifest)] if path.is_dir() else []
    if below:
        return f"it holds runs: nil report {shlex.quote(str(path))}/*"
    return "`nil runs list` shows the runs under ./runs"


def _read_study(path: Path) -> Source:
    index = _index(path)
    attempts = dict(_last_attempts(path / "attempts.jsonl"))
    runs = tuple(_read_entry(path, entry, attempts) for entry in index["entries"])
    if not runs:
        raise RunError(f"the study {path} has no runs", f"nil study {shlex.quote(str(path))}")
    asked = ""
    if exists(path / "study.toml"):
        with explain_os_errors(path / "study.toml", "read"):
            asked = (path / "study.toml").read_text(encoding="utf-8", errors="replace")
    return Source(path, str(index.get("name") or path.name), asked, runs)


def _index(path: Path) -> Mapping[str, Any]:
    file = path / "study.json"
    hint = "remove it and start the study again: its runs are found by their names"
    try:
        index = RunFolder(path).read(file)
    except RunError as error:
        raise RunError(error.message, hint) from None
    entries = index.get("entries")
    if index.get("schema") not in (None, STUDY_SCHEMA):
        raise RunError(f"{file} has format {index['schema']}, this nil reads {STUDY_SCHEMA}", "update nil-core")
    whole = isinstance(entries, list) and all(
        isinstance(each, dict) and isinstance(each.get("row"), str) and isinstance(each.get("run"), str)
        for each in entries
    )
    if not whole:
        raise RunError(f"{file} is damaged: its entries are incomplete", hint)
    return index


def _last_attempts(file: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    """Entry to outcome and error of its last attempt; a broken line is skipped."""
    if not exists(file):
        return
    with explain_os_errors(file, "read"):
        text = file.read_text(encoding="utf-8", errors="replace")
    for line in text.splitlines():
        try:
            value = table(json.loads(line))
        except ValueError:
            continue
        if value.get("event") == "end":
            yield str(value.get("entry")), (str(value.get("outcome")), str(value.get("error") or ""))


def _read_entry(study: Path, entry: Mapping[str, Any], attempts: Mapping[str, tuple[str, str]]) -> Run:
    path, row, seed = study / entry["run"], entry["row"], entry.get("seed")
    seed = seed if isinstance(seed, int) else None
    outcome, error = attempts.get(entry["run"], ("", ""))
    try:
        there = exists(RunFolder(path).manifest)
    except (NilError, ValueError) as trouble:  # it cannot be reached, or the index was damaged
        return Run(path, row, "damaged", str(trouble).partition("\n")[0], seed)
    if there:
        return read_run(path, row, seed, error if outcome in ("failed", "lost") else "")
    if outcome in ("failed", "lost"):
        return Run(path, row, "failed", error or "it ended before its first step", seed)
    made, error = attempts.get(str(entry.get("reference")), ("", ""))
    if made in ("failed", "lost"):
        return Run(path, row, "failed", f"no reference: {error}", seed)
    return Run(path, row, "not started", "not started", seed)


def read_run(path: Path, row: str = "", seed: int | None = None, error: str = "") -> Run:
    """Read a run folder, whatever state it is in.

    Args:
        path: of the folder.
        row, seed: from the study.
        error: of the last attempt, if that failed.
    """
    try:
        return _read_run(RunFolder(path), row, seed, error)
    except NilError as trouble:
        return Run(path, row, "damaged", trouble.message, seed)


def _read_run(folder: RunFolder, row: str, seed: int | None, error: str) -> Run:
    manifest = folder.read(folder.manifest)
    if manifest.get("nil") != "run":
        return Run(folder.path, row, "damaged", "its manifest.json is none of a run", seed, manifest=manifest)
    if manifest.get("format") != FORMAT:
        version = table(manifest.get("versions")).get("nil-core", "of another version")
        reason = f"written in format {manifest.get('format')} by nil-core {version}, this nil reads format {FORMAT}"
        return Run(folder.path, row, "damaged", reason, seed, manifest=manifest)
    settings = flatten(folder.read_config())
    status, summary = folder.read(folder.status), folder.read(folder.summary)
    lines, timing = log.read(folder.metrics), log.read(folder.timing)
    reached = [status.get("step"), *(line["step"] for line in lines[-1:])]
    step = max((each for each in reached if isinstance(each, int)), default=0)
    if seed is None and isinstance(settings.get("seed"), int):
        seed = settings["seed"]
    outcome, reason = _outcome(settings, status, summary, step, error)
    provenance = folder.read(folder.reference / PROVENANCE)
    return Run(folder.path, row, outcome, reason, seed, step, settings, manifest, summary, provenance, lines, timing)


def _outcome(
    settings: Mapping[str, Any], status: Mapping[str, Any], summary: Mapping[str, Any], step: int, error: str
) -> tuple[Outcome, str]:
    """Whether the run has the final evaluation of its last checkpoint; else why not."""
    state, steps = status.get("state", "?"), settings.get("steps")
    if summary.get("finished") is True:
        if steps is not None and summary.get("steps") != steps:
            return "not finished", f"its evaluation is of step {summary.get('steps')}, its config has {steps} steps"
        if number(trained(summary).get("return")) is None:
            return "damaged", "its summary.json has no return of the trained policy"
        return "compared", ""
    if state == "failed" or error:
        return "failed", f"step {step}: {error}" if error else f"it stopped at step {step}: NaN or infinity"
    if state == "finished":
        return "not finished", "it has no final evaluation"
    return "not finished", f"{state} at step {step} of {steps}"
