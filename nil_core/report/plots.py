"""Learning curves as SVG that takes the text color of the page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nil_core.report.metrics import CURVES, METRICS, measured, number
from nil_core.report.records import Run
from nil_core.report.statistics import Doubles, band
from nil_core.report.table import Comparison
from nil_core.types import Progress, no_progress

COLORS = ("#2a8fd0", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#8c6bb1", "#8a6d3b", "#7f7f7f")
"""Of the rows, in order; readable on light and dark pages, and with color blindness."""
DASHES = ("-", "--", ":", "-.")
"""Of the first eight rows, of the next eight, and so on."""

POINTS = 60
MOST_LINES = 16
"""With more runs than that, only the middles and bands of rows are drawn."""
AXES = {"steps": "environment steps", "hours": "hours of learning"}

_INK = "#010203"  # replaced by the page's text color
_INKED = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")


@dataclass(frozen=True)
class Panel:
    """One diagram.

    Attributes:
        title: what is drawn, in words.
        svg: trusted markup; it contains no text from the runs.
    """

    title: str
    svg: str


@dataclass(frozen=True)
class _Curve:
    """Values of one run."""

    steps: Doubles
    hours: Doubles
    values: Doubles


def color(row: int) -> str:
    """Color of a row's lines."""
    return COLORS[row % len(COLORS)]


def dashes(row: int) -> int:
    """Line style of a row: an index of :data:`DASHES`."""
    return row // len(COLORS) % len(DASHES)


def panels(comparison: Comparison, progress: Progress = no_progress) -> list[list[Panel]]:
    """The :data:`CURVES` that some compared run has, and training reward: of each a panel by steps and one by hours.

    The last point of an evaluated metric is the evaluation at the end of the run.
    """
    headings = {metric.key: comparison.heading(metric) for metric in METRICS}
    shown = {key: ("eval", headings[key]) for key in CURVES} | {"reward": ("train", "training reward")}
    found = []
    for done, (key, (kind, title)) in enumerate(shown.items(), start=1):
        curves = [[curve for run in row.compared if (curve := _curve(run, kind, key))] for row in comparison.rows]
        if any(curves):
            single = kind == "eval" and sum(map(len, curves)) <= MOST_LINES
            timed = any(curve.hours[-1] > 0 for runs in curves for curve in runs)
            found.append([_panel(curves, title, axis, single) for axis in AXES if timed or axis != "hours"])
        progress(done, len(shown), "curves drawn")
    return found


def _curve(run: Run, kind: str, key: str) -> _Curve | None:
    points = [
        (line["step"], value)
        for line in run.lines
        if line.get("kind") == kind and (value := number(line.get(key))) is not None
    ]
    if not points:
        return None
    final = measured(run.summary).get(key) if kind == "eval" else None
    if final is not None:  # it has more episodes than one while learning
        points = [*(point for point in points if point[0] < run.step), (run.step, final)]
    steps, values = (np.array(each, np.float64) for each in zip(*points, strict=True))
    timed = [(line["step"], number(line.get("seconds")) or 0.0) for line in run.timing]
    at, seconds = (np.array([0.0, *each]) for each in (zip(*timed, strict=True) if timed else ((), ())))
    return _Curve(steps, np.interp(steps, at, np.cumsum(seconds)) / 3600, values)


def _panel(curves: Sequence[Sequence[_Curve]], title: str, axis: str, single: bool) -> Panel:
    import matplotlib
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": f"{title} {axis}", "font.size": 9.0}
    with matplotlib.rc_context(style | dict.fromkeys(_INKED, _INK)):
        figure = Figure(figsize=(4.2, 2.7), layout="constrained")
        axes = figure.subplots()
        for index, runs in enumerate(curves):
            _draw(axes, runs, _x_of(axis), {"color": color(index), "linestyle": DASHES[dashes(index)]}, single)
        axes.set_title(title, loc="left", fontsize=10.0)
        axes.set_xlabel(AXES[axis])
        axes.locator_params(axis="x", nbins=6)
        axes.grid(alpha=0.12, color=_INK)
        axes.spines[["top", "right"]].set_visible(False)
        if axis == "steps":
            axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k" if value >= 1000 else f"{value:g}")
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return Panel(f"{title} by {AXES[axis]}", _inline(stream.getvalue()))


def _x_of(axis: str) -> Callable[[_Curve], Doubles]:
    return lambda curve: curve.steps if axis == "steps" else curve.hours


def _draw(
    axes: Any, runs: Sequence[_Curve], x_of: Callable[[_Curve], Doubles], style: dict[str, Any], single: bool
) -> None:
    """The middle and band of a row where all of its runs have values; its runs as thin lines."""
    if not runs:
        return
    if len(runs) == 1:
        axes.plot(x_of(runs[0]), runs[0].values, linewidth=1.8, marker="o" if len(runs[0].values) == 1 else "", **style)
        return
    if single:
        for run in runs:
            axes.plot(x_of(run), run.values, linewidth=0.7, alpha=0.35, **style)
    first, last = max(x_of(run)[0] for run in runs), min(x_of(run)[-1] for run in runs)
    if first > last:
        return
    grid = np.linspace(first, last, POINTS if last > first else 1)
    middle, low, high = band(np.array([np.interp(grid, x_of(run), run.values) for run in runs]))
    axes.plot(grid, middle, linewidth=1.8, marker="o" if len(grid) == 1 else "", **style)
    axes.fill_between(grid, low, high, color=style["color"], alpha=0.15, linewidth=0)


def _inline(svg: str) -> str:
    """The element ``<svg>`` alone, in the page's text color and as wide as its place."""
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor").strip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    head, end, rest = svg.partition(">")
    return re.sub(r' (width|height)="[^"]*"', "", head) + end + rest
