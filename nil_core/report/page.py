"""The report as one HTML page that needs nothing else: no network, no other file."""

from __future__ import annotations

import base64
import hashlib
from functools import partial
from importlib.resources import files

import jinja2
import tomli_w
from markupsafe import Markup

from nil_core.config.tree import unflatten
from nil_core.reference.contact_sheet import MARK
from nil_core.report import facts, plots
from nil_core.report.metrics import number, plain, trained
from nil_core.report.records import readable
from nil_core.report.table import Comparison, Row
from nil_core.types import Progress, no_progress

_ARROWS = {"higher": "↑", "lower": "↓", "100": "→ 100"}
_DIRECTIONS = {"higher": "more is better", "lower": "less is better", "100": "closer to 100 % is better"}


def render(comparison: Comparison, progress: Progress = no_progress) -> str:
    """The page. Equal run folders give equal pages.

    Args:
        comparison: its content.
        progress: called after every drawn metric.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("nil_core.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = _template("page.js")
    rows = {row.name: row for row in comparison.rows}
    order = list(rows)
    return environment.get_template("page.html").render(
        comparison=comparison,
        summary=facts.summary(comparison),
        episodes=_episodes(comparison),
        mark=Markup(MARK),
        style=Markup(_template("page.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        probability=_Percent(),
        panels=plots.panels(comparison, progress),
        clips=facts.clips(comparison),
        clip_row=lambda clip: rows[clip.row],
        parts=facts.reward_parts(comparison),
        machines=facts.machines(comparison.runs),
        asked=facts.asked(comparison),
        configs=[(f"Config of {row.name}", text) for row in comparison.rows if (text := _config(row))],
        base64=lambda content: base64.b64encode(content).decode(),
        color=lambda name: plots.color(order.index(name)),
        key_class=lambda name: f"dash{plots.dashes(order.index(name))}",
        place=partial(facts.place, comparison),
        arrow=lambda metric: _ARROWS[metric.better],
        direction=lambda metric: _DIRECTIONS[metric.better],
        hours=facts.hours,
        price=facts.price,
        plain=plain,
        weight=facts.weight,
    )


class _Percent:
    """Shows a probability as a :class:`nil_core.report.metrics.Metric` shows its values."""

    def shown(self, value: float) -> str:
        return f"{100 * value:.0f}"


def _episodes(comparison: Comparison) -> str:
    counts = {number(trained(run.results).get("episodes")) for run in comparison.compared} - {None}
    if len(counts) != 1:
        return ""
    count = int(counts.pop() or 0)
    return f" ({count} episode{'s' * (count != 1)})"


def _config(row: Row) -> str:
    """TOML of the row's config, without its seed."""
    run = next((run for run in row.runs if run.settings), None)
    if run is None:
        return ""
    settings = {key: value for key, value in run.settings.items() if key != "seed"}
    return f"# of {readable(run.path)}\n{tomli_w.dumps(unflatten(settings))}"


def _template(name: str) -> str:
    return files("nil_core.report").joinpath("templates", name).read_text(encoding="utf-8")
