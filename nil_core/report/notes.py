"""What a reader has to know to judge a comparison, one line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from nil_core.report import evaluations
from nil_core.report.faults import in_words
from nil_core.report.metrics import plain, table, unknown
from nil_core.report.table import Comparison, Row

FEW = 4


def notes(comparison: Comparison) -> tuple[str, ...]:
    """The notes of a comparison."""
    found = (
        _excluded, _evaluations, _few_runs, _incomparable, _identical, _seeds, _versions, _random_weights, _missing,
        _unknown, _faults,
    )  # fmt: skip
    return tuple(line for each in found for line in each(comparison))


def _excluded(comparison: Comparison) -> Iterator[str]:
    left = len(comparison.runs) - len(comparison.compared)
    if left:
        yield f"{left} of {len(comparison.runs)} runs are not compared; the list of runs gives the reason for each."


def _evaluations(comparison: Comparison) -> Iterator[str]:
    """Which evaluations the values are from."""
    compared = comparison.compared
    saved = [run for run in compared if run.uses_saved]
    if saved:
        dates = sorted(str(run.saved.get("at")) for run in saved)
        when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
        made = Counter(str(table(table(run.saved.get("conditions")).get("versions")).get("nil-core")) for run in saved)
        others = "" if len(saved) == len(compared) else "; those of the others are from the end of the run"
        yield (
            f"Values of {len(saved)} of {len(compared)} compared runs are from evaluations of nil eval --save, "
            f"{when}, by nil-core {_counted(made)}{others}. Settings: {evaluations.described(saved[0])}."
        )
    if unlike := evaluations.differing(compared):
        yield f"Saved evaluations with other settings are not shown: {'; '.join(unlike)}."


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


def _identical(comparison: Comparison) -> Iterator[str]:
    """Rows whose runs of the same seeds have the same values in every metric."""
    groups: list[list[Row]] = []
    for row in comparison.rows:
        group = next((each for each in groups if _same_results(each[0], row)), None)
        if group is None:
            groups.append([row])
        else:
            group.append(row)
    for group in groups:
        if len(group) > 1:
            names = ", ".join(row.name for row in group)
            keys = [key for key in comparison.differences if len({plain(row.config.get(key)) for row in group}) > 1]
            cause = f"What differs had no effect: {', '.join(keys)}" if keys else "Their configs do not differ"
            yield f"Identical results in every metric and seed: {names}. {cause}."


def _same_results(one: Row, other: Row) -> bool:
    values, others = ({run.seed: run.metrics for run in row.compared} for row in (one, other))
    seeds = values.keys() & others.keys()
    return bool(seeds) and all(values[seed] == others[seed] for seed in seeds)


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
    if names := sorted({name for run in comparison.compared for name in unknown(run.results)}):
        yield f"Not shown, because it is not known whether more or less is better: {', '.join(names)}."


def _faults(comparison: Comparison) -> Iterator[str]:
    yield from in_words(comparison.faults)


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({_runs(count)})" for name, count in counts.items())


def _runs(count: int) -> str:
    return f"{count} run{'s' * (count != 1)}"
