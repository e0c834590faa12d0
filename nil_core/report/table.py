"""The comparison: rows of runs, their statistics, and what the reader has to know to judge them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from nil_core.errors import ConfigError, RunError
from nil_core.report.evaluations import REWARD, settings, with_same_evaluation
from nil_core.report.faults import Fault
from nil_core.report.metrics import METRICS, Metric, plain
from nil_core.report.records import Run, readable
from nil_core.report.sources import Source
from nil_core.report.statistics import Estimate, estimate, improvement

NOT_COMPARED_KEYS = {"seed", "device", "track"}
"""Config keys that do not tell rows apart."""
LONGEST_NAME = 60
NAMING = ("robot.name", "generator.name", "encoder.name", "agent.name", "reward.name", "segmenter.name")
"""Config keys that rows outside of studies are named by first."""

_VIDEO = ("skill", "prompt", "negative_prompt", "generator.", "segmenter.", "robot.", "video.")
_PIXELS = (*_VIDEO, "environment.tick_hz", "environment.render_size")
_DEPENDS = {
    "return": (*_PIXELS, "encoder.", "reward."),
    "return_over_zero": (*_PIXELS, "encoder.", "reward."),
    "similarity": (*_PIXELS, "encoder.", "reward.similarity"),
    "iou": _PIXELS,
}
"""Metric to the beginnings of config keys that change what it is measured against, or its scale."""


@dataclass(frozen=True)
class Row:
    """Runs that differ in their seed only.

    Attributes:
        name: of the row.
        runs: all of them.
        values: metric key to interquartile mean over the compared runs.
        improvement: metric key to probability of improvement over the row compared with.
        config: key to value, of the keys that differ between rows.
    """

    name: str
    runs: tuple[Run, ...]
    values: Mapping[str, Estimate]
    improvement: Mapping[str, Estimate]
    config: Mapping[str, Any]

    @property
    def compared(self) -> tuple[Run, ...]:
        """The runs with a comparable final evaluation."""
        return tuple(run for run in self.runs if run.outcome == "compared")

    @property
    def counts(self) -> str:
        """Number of runs, and of those that are not compared by reason."""
        others = Counter(run.outcome for run in self.runs if run.outcome != "compared")
        text = "".join(f", {count} {outcome}" for outcome, count in others.items())
        return f"{len(self.compared)} of {len(self.runs)}{text}"


@dataclass(frozen=True)
class Comparison:
    """The content of a report.

    Attributes:
        title: name of the study, or what is compared.
        sources: folders that it was made from.
        rows: in order.
        against: name of the row that others are compared with.
        metrics: that some run has.
        incomparable: metric key to the config keys for which its values cannot be compared between rows.
        notes: one line each.
    """

    title: str
    sources: tuple[Source, ...]
    rows: tuple[Row, ...]
    against: str
    metrics: tuple[Metric, ...]
    incomparable: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs, by row."""
        return tuple(run for row in self.rows for run in row.runs)

    @property
    def compared(self) -> tuple[Run, ...]:
        """All compared runs."""
        return tuple(run for run in self.runs if run.outcome == "compared")

    @property
    def evaluated(self) -> str:
        """Which evaluation of a run its numbers are from, in words."""
        saved = {run.uses_saved for run in self.compared}
        if saved == {True}:
            return "its evaluation by nil eval --save"
        own = "its final evaluation"
        return f"{own}, or that by nil eval --save where the list of runs says saved" if True in saved else own

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Of the files of runs and studies."""
        of_sources = (source.faults for source in self.sources)
        return tuple(chain.from_iterable([*of_sources, *(run.faults for run in self.runs)]))

    @property
    def differences(self) -> tuple[str, ...]:
        """Config keys that differ between rows."""
        return tuple(dict.fromkeys(key for row in self.rows for key in row.config))

    @property
    def groups(self) -> Mapping[str, tuple[Metric, ...]]:
        """The metrics by the table they are shown in, in order."""
        titles = dict.fromkeys(metric.table for metric in self.metrics)
        return {title: tuple(metric for metric in self.metrics if metric.table == title) for title in titles}

    def heading(self, metric: Metric) -> str:
        """Heading of its column; marked if its values cannot be compared between rows."""
        return metric.heading + ("*" if metric.key in self.incomparable else "")


def build(sources: Sequence[Source], against: str | None = None) -> Comparison:
    """Compare the runs of some folders.

    Args:
        sources: from :func:`nil_core.report.sources.read_sources`.
        against: name of the row to compare with; default: the first with a compared run.

    Raises:
        RunError: no run can be compared.
        ConfigError: ``against`` is no row, or none of its runs can be compared.
    """
    grouped = with_same_evaluation(_grouped(sources))
    configs = {name: next((run for run in runs if run.settings), None) for name, runs in grouped.items()}
    differing = _differing([run for run in configs.values() if run is not None])
    compared = {name: [run for run in runs if run.outcome == "compared"] for name, runs in grouped.items()}
    base = _base(grouped, compared, against)
    changed = {key for runs in compared.values() for run in runs for key in settings(run)[REWARD]}
    unlike = {name: _incomparable([config, configs[base]], changed) for name, config in configs.items()}
    rows = tuple(
        Row(
            name,
            runs,
            _estimates(compared[name]),
            {} if name == base else _improvements(compared[name], compared[base], unlike[name]),
            {key: run.config[key] for key in differing if key in run.config} if (run := configs[name]) else {},
        )
        for name, runs in grouped.items()
    )
    shown = tuple(metric for metric in METRICS if any(metric.key in run.metrics for row in rows for run in row.runs))
    incomparable = _incomparable([config for name, config in configs.items() if compared[name]], changed)
    return Comparison(_title(sources, rows), tuple(sources), rows, base, shown, incomparable)


def _title(sources: Sequence[Source], rows: Sequence[Row]) -> str:
    studies = [source.study for source in sources if source.study]
    if studies:
        return ", ".join(studies)
    return rows[0].name if len(rows) == 1 else f"{len(rows)} configs"


def _grouped(sources: Sequence[Source]) -> dict[str, tuple[Run, ...]]:
    """Row name to runs: the rows of studies, and other runs by their config."""
    names = Counter(source.study for source in sources)
    rows: dict[str, list[Run]] = {}
    for source in sources:
        study = source.study if names[source.study] == 1 else readable(source.path)
        for run in source.runs if source.study else ():
            rows.setdefault(f"{study}/{run.row}" if len(sources) > 1 else run.row, []).append(run)
    single = [run for source in sources if not source.study for run in source.runs]
    rows |= {_unused(name, rows): runs for name, runs in _by_config(single).items()}
    return {name: tuple(runs) for name, runs in rows.items()}


def _by_config(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Runs outside of studies: those whose configs are equal but for the seed are one row, named for what differs."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        key = plain(_identity(run)) if run.settings else run.shown_path
        groups.setdefault(key, []).append(run)
    first = [group[0] for group in groups.values()]
    keys = _telling([run for run in first if run.settings])
    named: dict[str, list[Run]] = {}
    for group in groups.values():
        named[_unused(_name(group[0], keys), named)] = group
    return named


def _identity(run: Run) -> dict[str, Any]:
    return {key: value for key, value in sorted(run.config.items()) if key not in NOT_COMPARED_KEYS}


def _telling(runs: Sequence[Run]) -> tuple[str, ...]:
    """As few config keys as tell the runs apart: components first, steps last."""
    chosen: tuple[str, ...] = ()
    told = 1
    differing = _differing(runs)
    for key in [*filter(differing.__contains__, NAMING), *sorted({*differing} - {*NAMING}, key="steps".__eq__)]:
        values = {plain([run.config.get(each) for each in (*chosen, key)]) for run in runs}
        if len(values) > told:
            chosen, told = (*chosen, key), len(values)
    return chosen


def _name(run: Run, keys: Sequence[str]) -> str:
    if not run.settings:
        return run.shown_path
    parts = [
        plain(run.config[key]) if key.endswith(".name") else f"{key}={plain(run.config[key])}"
        for key in keys
        if key in run.config
    ]
    usual = f"{plain(run.config.get('robot.name', 'run'))} {plain(run.config.get('skill', ''))}".strip()
    name = " ".join(parts) or usual
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _unused(name: str, taken: Iterable[str]) -> str:
    names, number_ = set(taken), 2
    if name not in names:
        return name
    while f"{name} ({number_})" in names:
        number_ += 1
    return f"{name} ({number_})"


def _differing(runs: Sequence[Run]) -> tuple[str, ...]:
    """Config keys whose values differ. Options of different components are listed only where somebody set them."""
    keys = dict.fromkeys(key for run in runs for key in run.config if key not in NOT_COMPARED_KEYS)
    missing = object()
    found = [key for key in keys if len({plain(run.config.get(key, repr(missing))) for run in runs}) > 1]
    others = {key.removesuffix(".name") for key in found if key.endswith(".name")}
    explicit = {key for run in runs for key in run.settings}
    return tuple(key for key in found if key.partition(".")[0] not in others or key in explicit)


def _base(rows: Mapping[str, tuple[Run, ...]], compared: Mapping[str, list[Run]], against: str | None) -> str:
    """Name of the row to compare with."""
    if against is not None and against not in rows:
        raise ConfigError(f"there is no row {against!r}", f"rows: {', '.join(rows)}")
    usable = [name for name, runs in compared.items() if runs]
    if not usable:
        runs = [run for each in rows.values() for run in each]
        raise RunError(
            f"nothing to compare: of {len(runs)} run{'s' * (len(runs) > 1)} none has a final evaluation",
            f"{runs[0].shown_path}: {runs[0].reason}",
        )
    if against is not None and against not in usable:
        raise ConfigError(f"no run of the row {against!r} has a final evaluation", f"choose of: {', '.join(usable)}")
    return usable[0] if against is None else against


def _estimates(runs: Sequence[Run]) -> dict[str, Estimate]:
    return {metric.key: estimate(values) for metric in METRICS if (values := _values(runs, metric.key))}


def _improvements(runs: Sequence[Run], others: Sequence[Run], unlike: Collection[str]) -> dict[str, Estimate]:
    found = {}
    for metric in METRICS:
        if metric.key in unlike:
            continue
        ours, theirs = _values(runs, metric.key), _values(others, metric.key)
        if ours and theirs:
            found[metric.key] = improvement(list(map(metric.score, ours)), list(map(metric.score, theirs)))
    return found


def _values(runs: Iterable[Run], key: str) -> list[float]:
    return [run.metrics[key] for run in runs if key in run.metrics]


def _incomparable(runs: Iterable[Run | None], changed: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Metric to the config keys for which its values cannot be compared between rows.

    Args:
        runs: one of each row; None if no run of it has a config.
        changed: keys of the reward that were changed for the evaluation, of all runs alike.
    """
    alike = ("reward.",) if {"reward", "reward.name"} & {*changed} else tuple(f"{key}." for key in changed)
    keys = [key for key in _differing([run for run in runs if run]) if not f"{key}.".startswith(alike)]
    found = {metric: tuple(key for key in keys if key.startswith(starts)) for metric, starts in _DEPENDS.items()}
    return {metric: causes for metric, causes in found.items() if causes}
