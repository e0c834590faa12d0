"""What belongs to the rows beside their results: reward parts, cost, machines, videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nil_core.report.metrics import number, plain, table
from nil_core.report.records import Run, readable
from nil_core.report.statistics import Estimate, estimate
from nil_core.report.table import Comparison, Row
from nil_core.storage.os_errors import explain_os_errors

LARGEST_VIDEO = 16 * 2**20  # bytes; a page with larger ones is slow to open
LAST_SHARE = 0.1


@dataclass(frozen=True)
class Clip:
    """The video of one run of a row.

    Attributes:
        row: its name.
        caption: which run it is, or why there is no video.
        content: H.264 in MP4; empty without a video.
    """

    row: str
    caption: str
    content: bytes


def clips(comparison: Comparison) -> list[Clip]:
    """One video per row: of the run whose return is the median of its row's, among the runs that have one."""
    return [_clip(row) for row in comparison.rows if row.compared]


def _clip(row: Row) -> Clip:
    with_video = [run for run in row.compared if run.video.is_file()]
    if not with_video:
        return Clip(row.name, "no video: the runs drew no frames; nil play FOLDER makes one", b"")
    ordered = sorted(with_video, key=lambda run: run.metrics.get("return", 0.0))
    run = ordered[(len(ordered) - 1) // 2]
    median = ", the median by return" if len(ordered) > 1 else ""
    if run.video.stat().st_size > LARGEST_VIDEO:
        return Clip(row.name, f"too large for this page: {run.shown_path}/videos/comparison.mp4", b"")
    with explain_os_errors(run.video, "read"):
        return Clip(row.name, f"seed {run.seed}{median}", run.video.read_bytes())


def reward_parts(comparison: Comparison) -> dict[str, dict[str, Estimate]]:
    """Term to row to its mean over the last tenth of learning.

    Similarity and IoU are unscaled, other terms are multiplied by their weights, as in ``metrics.jsonl``.
    """
    found: dict[str, dict[str, Estimate]] = {}
    for row in comparison.rows:
        by_run = [_parts(run) for run in row.compared]
        for term in dict.fromkeys(term for parts in by_run for term in parts):
            found.setdefault(term, {})[row.name] = estimate([parts[term] for parts in by_run if term in parts])
    return found


def _parts(run: Run) -> dict[str, float]:
    lines = [line for line in run.lines if line.get("kind") == "train"]
    last = [line for line in lines if line["step"] > (1 - LAST_SHARE) * run.step] or lines[-1:]
    means = {}
    for term in _terms(last[0]) if last else ():
        values = [value for line in last if (value := number(line.get(term))) is not None]
        if values:
            means[term] = float(np.mean(values))
    return means


def _terms(line: Mapping[str, Any]) -> list[str]:
    """Keys of the reward and its terms: they stand before ``speed``."""
    keys = list(line)
    return keys[keys.index("reward") : keys.index("speed")] if {"reward", "speed"} <= set(keys) else []


def weight(run: Run, term: str) -> str:
    """Weight of a reward term in a run's config; empty if there is none."""
    keys = {"similarity": ("reward.video",)}.get(term, (f"reward.{term}", f"reward.terms.{term}"))
    return next((f"{value:g}" for key in keys if (value := number(run.config.get(key))) is not None), "")


def place(comparison: Comparison, run: Run) -> str:
    """Its folder: in the study folder if that is the only source."""
    studies = [source.path for source in comparison.sources]
    if len(studies) == 1 and run.path != studies[0] and run.path.is_relative_to(studies[0]):
        return readable(run.path.relative_to(studies[0]))
    return run.shown_path


def hours(runs: Sequence[Run]) -> float:
    """Hours of learning and final evaluations."""
    evaluations = [number(run.summary.get("evaluation_seconds")) or 0.0 for run in runs]
    return (sum(run.seconds for run in runs) + sum(evaluations)) / 3600


def price(runs: Iterable[Run]) -> str:
    """Price of the paid videos of some runs, each counted once; empty if nothing was paid."""
    videos = {paid[0]: paid[1:] for run in runs if (paid := run.paid) is not None}
    if not videos:
        return ""
    totals: dict[str, float] = {}
    for amount, currency in videos.values():
        if amount is not None:
            totals[currency] = totals.get(currency, 0.0) + amount
    unknown = sum(amount is None for amount, _ in videos.values())
    parts = [f"about {total:.2f} {currency}" for currency, total in totals.items()]
    parts += [f"{unknown} of unknown price"] if unknown else []
    return f"{' + '.join(parts)} for {len(videos)} video{'s' * (len(videos) > 1)}"


def machines(runs: Sequence[Run]) -> dict[str, str]:
    """Name of a version or part of a machine to its value; several with the number of runs of each."""
    made = [run for run in runs if run.manifest]
    facts = [
        {
            **table(run.manifest.get("hardware")),
            "python": run.manifest.get("python"),
            **table(run.manifest.get("libraries")),
            **run.versions,
        }
        for run in made
    ]
    names = dict.fromkeys(name for each in facts for name in each)
    return {name: _listed(Counter(plain(each[name]) for each in facts if each.get(name))) for name in names}


def _listed(counts: Counter[str]) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{value} ({count} runs)" for value, count in counts.items())


def summary(comparison: Comparison) -> str:
    """One line: how many rows and runs, how many of them are compared, hours, price."""
    runs, left = comparison.runs, len(comparison.runs) - len(comparison.compared)
    parts = [
        f"{len(comparison.rows)} row{'s' * (len(comparison.rows) > 1)}, {len(runs)} run{'s' * (len(runs) > 1)}",
        f"{left} not compared" if left else "all compared",
        f"{hours(runs):.1f} hours",
        *filter(None, [price(runs)]),
    ]
    return "; ".join(parts)


def asked(comparison: Comparison) -> list[tuple[str, str]]:
    """What was asked for: heading and text of each study, and the commands of single runs."""
    studies = [
        (f"Study {source.study}", source.asked) for source in comparison.sources if source.study and source.asked
    ]
    commands = [source.asked for source in comparison.sources if not source.study and source.asked]
    return [*studies, *([("Commands", "\n".join(commands))] if commands else [])]
