"""Metrics of a final evaluation that a report shows: name, unit, and which direction is better."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nil_core.evaluation.columns import COLUMNS, RESULTS, Better, Column


@dataclass(frozen=True)
class Metric:
    """A column of the table.

    Attributes:
        key: in ``policies.trained`` of ``summary.json``, or a name of :data:`DERIVED`.
        label: heading.
        unit: empty if it has none.
        better: which values are better; ``100``: closer to 100 %.
        meaning: one line.
        digits: after the point.
        table: where it is shown, of :data:`nil_core.evaluation.columns.TABLES`.
    """

    key: str
    label: str
    unit: str
    better: Better
    meaning: str
    digits: int = 3
    table: str = RESULTS

    @property
    def heading(self) -> str:
        """Label and unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def score(self, value: float) -> float:
        """A number that is higher for a better value."""
        return {"higher": value, "lower": -value, "100": -abs(value - 100)}[self.better]

    def shown(self, value: float) -> str:
        """The value as text, without unit."""
        return f"{round(value, self.digits) + 0.0:.{self.digits}f}"


def _metric(key: str, column: Column) -> Metric:
    label = column.label or column.heading
    assert column.better is not None
    return Metric(key, label, column.unit, column.better, column.meaning, column.digits, column.table)


_OVER_STANDING = Metric(
    "return_over_zero",
    "over standing",
    "%",
    "higher",
    "return relative to standing still (under torque control: to zero torque), minus 100 %",
    0,
)
_SPEED_SHARE = Metric("speed_share", "of reference speed", "%", "100", "forward speed relative to the reference's", 0)
_AFTER = {"return": (_OVER_STANDING,), "speed": (_SPEED_SHARE,)}

METRICS = tuple(
    metric
    for key, column in COLUMNS.items()
    if column.better
    for metric in (_metric(key, column), *_AFTER.get(key, ()))
)
"""All metrics, in the order of columns."""

CURVES = ("return", "similarity", "iou", "speed", "locomujoco_1.25")
"""Metrics whose learning curves are drawn, if the run measured them while it learned."""

STARTS_SEED = "seed"
"""Of the start states of an evaluation, in a policy's row."""

LARGEST = 1e100
_SPREAD = ("_std", "_ci95")


def number(value: Any) -> float | None:
    """A number whose square is finite, or None."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST
    return float(value) if usable else None


def table(value: Any) -> Mapping[str, Any]:
    """A JSON table; empty if the value is something else."""
    return value if isinstance(value, dict) else {}


def plain(value: Any) -> str:
    """A config value as text."""
    if value is None:
        return "unset"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def trained(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    """The trained policy's row of ``summary.json``."""
    return table(table(summary.get("policies")).get("trained"))


def _over_zero(summary: Mapping[str, Any]) -> float | None:
    gain = number(summary.get("return_over_zero"))
    return None if gain is None else 100 * gain


def _speed_share(summary: Mapping[str, Any]) -> float | None:
    speed, reference = number(trained(summary).get("speed")), number(summary.get("reference_speed"))
    return None if speed is None or not reference else 100 * speed / reference


DERIVED: Mapping[str, Callable[[Mapping[str, Any]], float | None]] = {
    "return_over_zero": _over_zero,
    "speed_share": _speed_share,
}
"""Metrics that are computed from several numbers of ``summary.json``."""


def measured(summary: Mapping[str, Any]) -> dict[str, float]:
    """Key to value of the :data:`METRICS` that a summary has."""
    row = trained(summary)
    keys = [metric.key for metric in METRICS]
    found = {key: DERIVED[key](summary) if key in DERIVED else number(row.get(key)) for key in keys}
    return {key: value for key, value in found.items() if value is not None}


def unknown(summary: Mapping[str, Any]) -> set[str]:
    """Numeric keys of the trained policy's row that are in no table, because their direction is unknown."""
    known = {*COLUMNS, STARTS_SEED}
    row = trained(summary)
    return {key for key in row if key not in known and not key.endswith(_SPREAD) and number(row[key]) is not None}
