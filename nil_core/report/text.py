"""The report as Markdown, CSV and JSON values."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nil_core.report import facts
from nil_core.report.metrics import Metric, plain
from nil_core.report.records import Run
from nil_core.report.statistics import Estimate
from nil_core.report.table import Comparison, Row

MARKDOWN_MARK = "<!-- Written by nil report. -->"
MARKED = ("level", "row", "seed", "result", "reason", "runs", "compared", "steps", "hours", "nil-core", "folder")
"""First columns of the CSV: they tell that nil wrote it."""
HEAD = (*MARKED, "evaluation")


def shown(metric: Metric, estimate: Estimate | None) -> str:
    """Value and interval as text; empty without a value."""
    if estimate is None:
        return ""
    value = metric.shown(estimate.value)
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} [{metric.shown(estimate.low)}, {metric.shown(estimate.high)}]"


def percent(estimate: Estimate | None) -> str:
    """A probability and its interval as text."""
    if estimate is None:
        return ""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.0%}"
    return f"{estimate.value:.0%} [{estimate.low:.0%}, {estimate.high:.0%}]"


Table = tuple[list[str], list[list[str]]]


def results(comparison: Comparison, metrics: Sequence[Metric]) -> Table:
    """Columns and cells of a table of results."""
    columns = ["row", "runs compared", *map(comparison.heading, metrics)]
    cells = [
        [row.name, row.counts, *(shown(metric, row.values.get(metric.key)) for metric in metrics)]
        for row in comparison.rows
    ]
    return columns, cells


def improvements(comparison: Comparison, metrics: Sequence[Metric]) -> Table:
    """Columns and cells of the probabilities of improvement; no cells with a single row."""
    columns = ["row", *map(comparison.heading, metrics)]
    cells = [
        [row.name, *(percent(row.improvement.get(metric.key)) for metric in metrics)]
        for row in comparison.rows
        if row.improvement
    ]
    return columns, cells


def differences(comparison: Comparison) -> Table:
    """Columns and cells of the config keys that differ; no cells if none does."""
    keys = comparison.differences
    rows = comparison.rows if keys else ()
    cells = [[row.name, *(plain(row.config[key]) if key in row.config else "" for key in keys)] for row in rows]
    return ["row", *keys], cells


def left_out(comparison: Comparison) -> Table:
    """Columns and cells of the runs that are not compared."""
    cells = [[run.shown_path, run.outcome, run.reason] for run in comparison.runs if run.reason]
    return ["run", "result", "reason"], cells


def markdown(comparison: Comparison) -> str:
    """The report as Markdown."""
    parts = [MARKDOWN_MARK, f"# {_escaped(comparison.title)}", facts.summary(comparison)]
    for title, metrics in comparison.groups.items():
        parts += [f"## {title}", _table(*results(comparison, metrics))]
    parts.append(
        "Interquartile mean over the seeds of a row, and the 95 % interval of a bootstrap over seeds; each number of a "
        f"run is the mean of {comparison.evaluated}."
    )
    parts.append("\n".join(f"- {_escaped(note)}" for note in comparison.notes))
    for title, metrics in comparison.groups.items():
        if (found := improvements(comparison, metrics))[1]:
            against = f"Probability of improvement over {_escaped(comparison.against)}"
            parts += [f"## {against}: {title}", _table(*found)]
    if (found := differences(comparison))[1]:
        parts += ["## What differs", _table(*found)]
    parts += ["## All runs", _table(*_all_runs(comparison))]
    parts += [f"## {_escaped(heading)}\n\n{_fenced(text)}" for heading, text in facts.asked(comparison)]
    machines = [[key, value] for key, value in facts.machines(comparison.runs).items() if value]
    parts += ["## Versions and machine", _table(["", "value"], machines)] if machines else []
    return "\n\n".join(filter(None, parts)) + "\n"


def _all_runs(comparison: Comparison) -> Table:
    metrics = comparison.metrics
    columns = ["row", "seed", "result", "steps", *map(comparison.heading, metrics), "evaluated", "hours", "folder"]
    cells = []
    for row in comparison.rows:
        for run in row.runs:
            head = [row.name, "" if run.seed is None else str(run.seed), run.reason or run.outcome, str(run.step)]
            values = [each.shown(run.metrics[each.key]) if each.key in run.metrics else "" for each in metrics]
            cells.append([*head, *values, run.evaluation, f"{facts.hours([run]):.2f}", run.shown_path])
    return columns, cells


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def _escaped(text: str) -> str:
    """Text without meaning in Markdown: on one line, no table cell, HTML or emphasis of its own."""
    text = " ".join(text.split()).replace("\\", "\\\\")
    for mark in "|`*_[]<>":
        text = text.replace(mark, f"\\{mark}")
    return text


def _fenced(text: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text.rstrip()}\n{fence}"


def comma_separated(comparison: Comparison) -> str:
    """CSV: a line for each row (``level`` is ``row``), then a line for each run (``run``).

    Columns of a metric: its value; for rows also bounds of its interval, and the probability of improvement with
    bounds. Then the config keys that differ.
    """
    stream = io.StringIO()
    columns = [column for metric in comparison.metrics for column in _columns(metric.key)]
    writer = csv.DictWriter(stream, [*HEAD, *columns, *comparison.differences], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row_line(row) for row in comparison.rows)
    writer.writerows(_run_line(comparison, row, run) for row in comparison.rows for run in row.runs)
    return stream.getvalue()


def _columns(key: str) -> Iterator[str]:
    yield from (key, f"{key}_low", f"{key}_high")
    yield from (f"{key}_improvement", f"{key}_improvement_low", f"{key}_improvement_high")


def _row_line(row: Row) -> dict[str, Any]:
    line: dict[str, Any] = {"level": "row", "row": row.name, "runs": len(row.runs), "compared": len(row.compared)}
    line["hours"] = round(facts.hours(row.runs), 4)
    for key, estimate in row.values.items():
        line |= _bounds(key, estimate)
    for key, estimate in row.improvement.items():
        line |= _bounds(f"{key}_improvement", estimate)
    return line | {key: plain(value) for key, value in row.config.items()}


def _bounds(name: str, estimate: Estimate) -> dict[str, Any]:
    bounds = {} if estimate.low is None else {f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return {name: estimate.value} | bounds


def _run_line(comparison: Comparison, row: Row, run: Run) -> dict[str, Any]:
    known = {
        "level": "run", "row": row.name, "seed": "" if run.seed is None else run.seed, "result": run.outcome,
        "reason": run.reason, "steps": run.step, "hours": round(facts.hours([run]), 4),
        "nil-core": run.versions.get("nil-core", ""), "folder": run.shown_path, "evaluation": run.evaluation,
    }  # fmt: skip
    config = {key: plain(run.config[key]) for key in comparison.differences if key in run.config}
    return known | dict(run.metrics) | config


def tree(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON values."""
    return {
        "title": comparison.title,
        "against": comparison.against,
        "metrics": {metric.key: _described(comparison, metric) for metric in comparison.metrics},
        "rows": [_row_tree(row) for row in comparison.rows],
        "runs": [_run_tree(row, run) for row in comparison.rows for run in row.runs],
        "notes": list(comparison.notes),
        "paid": facts.price(comparison.runs),
    }


def _described(comparison: Comparison, metric: Metric) -> dict[str, Any]:
    described: dict[str, Any] = {"unit": metric.unit, "better": metric.better, "meaning": metric.meaning}
    causes = comparison.incomparable.get(metric.key)
    return described | ({"not_comparable_because_of": list(causes)} if causes else {})


def _row_tree(row: Row) -> dict[str, Any]:
    return {
        "row": row.name,
        "runs": len(row.runs),
        "compared": len(row.compared),
        "hours": facts.hours(row.runs),
        "config": dict(row.config),
        "values": _estimates(row.values),
        "improvement": _estimates(row.improvement),
    }


def _estimates(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {
        key: {"value": each.value, "low": each.low, "high": each.high, "runs": each.runs}
        for key, each in estimates.items()
    }


def _run_tree(row: Row, run: Run) -> dict[str, Any]:
    return {
        "row": row.name,
        "seed": run.seed,
        "folder": run.shown_path,
        "result": run.outcome,
        "reason": run.reason,
        "steps": run.step,
        "hours": facts.hours([run]),
        "evaluation": run.evaluation,
        "versions": dict(run.versions),
        "metrics": dict(run.metrics),
    }
