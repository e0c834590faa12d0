"""Runs, read from their folders, each with the reason if it is not compared."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from nil_core.config import flatten
from nil_core.errors import NilError
from nil_core.reference.folder import PROVENANCE
from nil_core.report.faults import Fault, damaged_lines, read_saved, unknown_keys
from nil_core.report.metrics import measured, number, table, trained
from nil_core.storage import log
from nil_core.storage.run_folder import FORMAT, RunFolder

Outcome = Literal["compared", "failed", "not finished", "not started", "damaged", "other evaluation"]


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
        saved: content of ``evaluation.json``; empty if there is none that can be shown.
        uses_saved: it is shown, instead of the evaluation in ``summary.json``.
        faults: of its files.
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
    saved: Mapping[str, Any] = field(default_factory=dict)
    uses_saved: bool = False
    faults: tuple[Fault, ...] = ()

    @property
    def shown_path(self) -> str:
        """Its path as text that can be written in UTF-8."""
        return readable(self.path)

    @property
    def results(self) -> Mapping[str, Any]:
        """The evaluation that is shown: of the policy after the last step."""
        return self.saved if self.uses_saved else self.summary

    @property
    def evaluation(self) -> str:
        """When :attr:`results` were measured; empty if there are none."""
        return f"saved {self.saved.get('at')}" if self.uses_saved else "at its end" if self.summary else ""

    @cached_property
    def metrics(self) -> Mapping[str, float]:
        """Metric key to value of :attr:`results`."""
        return measured(self.results)

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


def readable(path: Path) -> str:
    """A path as text that can be written in UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")


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
    tree = folder.read_config()
    settings = flatten(tree)
    status, summary = folder.read(folder.status), folder.read(folder.summary)
    growing = not summary
    lines, damaged = log.read_around_damage(folder.metrics, growing)
    timing, damaged_timing = log.read_around_damage(folder.timing, growing)
    saved, unusable = read_saved(folder, readable(folder.path), summary)
    faults = (
        *damaged_lines(readable(folder.metrics), lines, damaged),
        *damaged_lines(readable(folder.timing), timing, damaged_timing),
        *unknown_keys(readable(folder.config), tree),
        *unusable,
    )
    reached = [status.get("step"), *(line["step"] for line in lines[-1:])]
    step = max((each for each in reached if isinstance(each, int)), default=0)
    if seed is None and isinstance(settings.get("seed"), int):
        seed = settings["seed"]
    outcome, reason = _outcome(settings, status, summary, step, error)
    provenance = folder.read(folder.reference / PROVENANCE)
    return Run(
        folder.path, row, outcome, reason, seed, step, settings, manifest, summary, provenance, lines, timing, saved,
        faults=faults,
    )  # fmt: skip


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
