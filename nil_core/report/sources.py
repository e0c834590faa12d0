"""The folders that a report is about: run folders, and study folders with all of their runs."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nil_core.errors import NilError, RunError
from nil_core.report.faults import Fault, damaged_lines
from nil_core.report.records import Run, read_run, readable
from nil_core.storage import log, study_index
from nil_core.storage.os_errors import exists, explain_os_errors
from nil_core.storage.run_folder import RunFolder
from nil_core.storage.study_index import read_study_index
from nil_core.types import Progress, no_progress


@dataclass(frozen=True)
class Source:
    """A folder that a report was asked for.

    Attributes:
        path: of the folder.
        study: name of the study; empty for a single run.
        asked: text of ``study.toml``, or the command that made the run.
        runs: all of its runs.
        faults: of the study's own files.
    """

    path: Path
    study: str
    asked: str
    runs: tuple[Run, ...]
    faults: tuple[Fault, ...] = ()


def read_sources(folders: Iterable[Path], progress: Progress = no_progress) -> list[Source]:
    """Read run folders and study folders; each folder once.

    Args:
        folders: of runs and studies.
        progress: called after every folder, and after every run of a study.

    Raises:
        RunError: a folder is neither, or a study without runs; names the folder.
        MachineError: it cannot be reached.
    """
    distinct = {Path(os.path.realpath(folder)): Path(folder) for folder in folders}
    if not distinct:
        raise RunError("no folder was given", "for example: nil report runs/*")
    sources = []
    for count, folder in enumerate(distinct.values(), start=1):
        sources.append(_read_source(folder, progress))
        if len(distinct) > 1:
            progress(count, len(distinct), "folders read")
    return sources


def _read_source(path: Path, progress: Progress) -> Source:
    if exists(path / study_index.NAME):
        return _read_study(path, progress)
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


def _read_study(path: Path, progress: Progress) -> Source:
    index = read_study_index(path)
    lines, damaged = log.read_around_damage(path / "attempts.jsonl", growing=True, with_steps=False)
    attempts = _last_attempts(lines)
    entries = index.get("entries", [])
    runs = []
    for entry in entries:
        runs.append(_read_entry(path, entry, attempts))
        progress(len(runs), len(entries), f"runs of {readable(path)} read")
    if not runs:
        raise RunError(f"the study {path} has no runs", f"nil study {shlex.quote(str(path))}")
    asked = ""
    if exists(path / "study.toml"):
        with explain_os_errors(path / "study.toml", "read"):
            asked = (path / "study.toml").read_text(encoding="utf-8", errors="replace")
    faults = damaged_lines(readable(path / "attempts.jsonl"), lines, damaged)
    return Source(path, str(index.get("name") or path.name), asked, tuple(runs), faults)


def _last_attempts(lines: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Entry to outcome and error of its last attempt."""
    return {
        str(line.get("entry")): (str(line.get("outcome")), str(line.get("error") or ""))
        for line in lines
        if line.get("event") == "end"
    }


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
