"""Live table of all runs of a study in a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.live import Live
from rich.table import Table
from rich.text import Text

from nil_core.cli import tables

if TYPE_CHECKING:
    from nil_core.study.schedule import RunState

_STYLES = {"finished": "green", "failed": "red", "running": "bold"}
_ORDER = ("running", "queued", "interrupted", "failed", "waiting", "finished")


class StudyView:
    """Draws the runs (a :data:`nil_core.study.study.View`): as many as the terminal is high, active ones first."""

    def __init__(self) -> None:
        self._console = tables.new_console()
        self._live = Live(console=self._console, auto_refresh=False)
        self._live.start()

    def __call__(self, runs: Sequence[RunState]) -> None:
        """Draw them."""
        self._live.update(self._table(runs), refresh=True)

    def close(self) -> None:
        """Leave the table as it is now."""
        self._live.stop()

    def _table(self, runs: Sequence[RunState]) -> Table:
        height = max(3, self._console.height - 4)
        shown = runs if len(runs) <= height else sorted(runs, key=lambda run: _ORDER.index(run.state))[: height - 1]
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("row", "seed", "state", "steps", "time left", "error"):
            table.add_column(Text(column), no_wrap=True, overflow="ellipsis")
        for run in shown:
            steps = f"{run.step}/{run.total}" if run.total else str(run.step or "")
            cells = (run.entry.row, str(run.entry.seed), run.state, steps, _time_left(run), run.error)
            table.add_row(*(Text(cell, _STYLES.get(run.state, "")) for cell in cells))
        if len(shown) < len(runs):
            table.add_row(Text(f"and {len(runs) - len(shown)} more", "dim"))
        return table


def _time_left(run: RunState) -> str:
    if run.started is None or not run.total or not run.advanced:
        return ""
    return duration(run.started / run.advanced * (run.total - run.step))


def duration(seconds: float) -> str:
    """Minutes, rounded up, or hours."""
    return f"{math.ceil(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
