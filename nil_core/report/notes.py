"""What a reader has to know to judge a comparison, one line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from nil_core.report.metrics import unknown
from nil_core.report.table import Comparison, Row

FEW = 4


def notes(comparison: Comparison) -> tuple[str, ...]:
    """The notes of a comparison."""
    found = (_excluded, _few_runs, _incomparable, _seeds, _versions, _random_weights, _missing, _unknown)
    return tuple(line for each in found for line in each(comparison))


def _excluded(comparison: Comparison) -> Iterator[str]:
    left = len(comparison.runs) - len(comparison.compared)
    if left:
        yield f"{left} of {len(comparison.runs)} runs are not compared; the list of runs gives the reason for each."


def _few_runs(comparison: Comparison) -> Iterator[str]:
    counts = [len(row.compared) for row in comparison.rows if row.compared]
    if min(counts) == 1:
        yield "A row with one run has no interval: nothing is known about how much its result depends on the seed."
    if any(1 < count < FEW for count in counts):
        yield (
            "With two or three runs the interquartile mean is the mean, and an interval covers no more than the runs "
            "themselves: it is narrower than its nominal 95 %."
        )


def _incomparable(comparison: Comparison) -> Iterator[str]:
    labels = {metric.key: metric.label for metric in comparison.metrics}
    causes: dict[tuple[str, ...], list[str]] = {}
    for key, cause in comparison.incomparable.items():
        if key in labels:
            causes.setdefault(cause, []).append(labels[key])
    base = next(row for row in comparison.rows if row.name == comparison.against)
    for keys, metrics in causes.items():
        unlike = [row.name for row in comparison.rows if any(row.config.get(k) != base.config.get(k) for k in keys)]
        yield (
            f"* {', '.join(metrics)}: not comparable between rows that differ in {', '.join(keys)}; "
            f"unlike {base.name}: {', '.join(unlike)}."
        )


def _seeds(comparison: Comparison) -> Iterator[str]:
    rows = [row for row in comparison.rows if row.compared]
    seeds = {row.name: sorted(run.seed for run in row.compared if run.seed is not None) for row in rows}
    named: dict[str, list[str]] = {}
    for name, each in seeds.items():
        named.setdefault(", ".join(map(str, each)) or "unknown", []).append(name)
    if len(named) > 1:
        listed = "; ".join(f"{', '.join(names)}: {each}" for each, names in named.items())
        yield f"Rows have different seeds. {listed}."
    for row in rows:
        if twice := _twice(row):
            yield f"{row.name} has the seed {twice} more than once: equal runs make its interval too narrow."


def _twice(row: Row) -> str:
    counts = Counter(run.seed for run in row.compared)
    return ", ".join(str(seed) for seed, count in counts.items() if count > 1 and seed is not None)


def _versions(comparison: Comparison) -> Iterator[str]:
    counts = Counter(str(run.versions.get("nil-core", "unknown")) for run in comparison.runs if run.manifest)
    here = _installed()
    if set(counts) != {here}:
        yield f"Runs were made by nil-core {_counted(counts)}; this report by {here}."


def _installed() -> str:
    try:
        return version("nil-core")
    except PackageNotFoundError:
        return "unknown"


def _random_weights(comparison: Comparison) -> Iterator[str]:
    weights = Counter(str(run.manifest["weights"]) for run in comparison.runs if run.manifest.get("weights"))
    if weights:
        yield f"Runs with random weights in a component: {_counted(weights)}."


def _missing(comparison: Comparison) -> Iterator[str]:
    total = len(comparison.compared)
    having = {metric: sum(metric.key in run.metrics for run in comparison.compared) for metric in comparison.metrics}
    parts = [f"{metric.label} ({count})" for metric, count in having.items() if count < total]
    if parts:
        yield f"Some of the {total} compared runs lack a value; the number of those that have it: {', '.join(parts)}."


def _unknown(comparison: Comparison) -> Iterator[str]:
    if names := sorted({name for run in comparison.compared for name in unknown(run.summary)}):
        yield f"Not shown, because it is not known whether more or less is better: {', '.join(names)}."


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({_runs(count)})" for name, count in counts.items())


def _runs(count: int) -> str:
    return f"{count} run{'s' * (count != 1)}"
