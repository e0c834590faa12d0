"""How a run shows itself in a terminal: progress bars, and a live table while it learns. Plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from nil_core.runs.reporting import Lines, Reporter

SHOWN = ("reward", "similarity", "iou", "torque", "action", "velocity", "feet", "stability")


@contextmanager
def reporter() -> Iterator[Reporter]:
    """A :class:`Screen` in a terminal, lines of text where there is none."""
    if not sys.stdout.isatty():
        yield Lines()
        return
    screen = Screen(Console())
    try:
        yield screen
    finally:
        screen.end()


class Screen:
    """Reports to a terminal (implements :class:`nil_core.runs.reporting.Reporter`)."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
        )
        self._tasks: dict[str, TaskID] = {}
        self._live: Live | None = None
        self._began = time.monotonic()

    def end(self) -> None:
        """Leave the last state on the screen."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, text: str) -> None:
        """A line above what moves."""
        self._console.print(text, highlight=False, soft_wrap=True, markup=False)

    def warn(self, text: str) -> None:
        """A yellow one."""
        self._console.print(text, style="yellow", highlight=False, soft_wrap=True, markup=False)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table above what moves."""
        self.end()
        self._bars = Progress(*self._bars.columns, console=self._console)
        self._tasks.clear()
        table = Table(*columns, title=title, title_justify="left", title_style="bold")
        for row in rows:
            table.add_row(*row)
        self._console.print(table)

    def progress(self, done: int, total: int, what: str) -> None:
        """A bar per long part."""
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done, total=total)
        self._show(self._bars)

    def learning(self, step: int, total: int, values: Mapping[str, float], rates: Mapping[str, float]) -> None:
        """The live table."""
        what = "environment steps"
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=step, total=total)
        table = Table.grid(padding=(0, 2))
        left = rates.get("seconds_left", 0.0)
        cells = {"steps/s": f"{rates.get('steps_per_second', 0):.0f}", "minutes left": f"{left / 60:.1f}"}
        cells |= {name: f"{values[name]:.3f}" for name in SHOWN if name in values}
        if "episode_length" in values:
            cells["episode length"] = f"{values['episode_length']:.0f} steps"
        if "falls" in values:
            cells["falls"] = f"{values['falls']:.0%}"
        if "speed" in values:
            cells["speed"] = f"{values['speed']:.2f} m/s"
        cells |= {
            name.replace("_", " "): f"{v:.3g}" for name, v in values.items() if name.endswith(("loss", "temperature"))
        }
        pairs = list(cells.items())
        half = -(-len(pairs) // 2)
        for i in range(half):
            row = [*pairs[i], *(pairs[half + i] if half + i < len(pairs) else ("", ""))]
            table.add_row(f"[dim]{row[0]}[/]", row[1], f"[dim]{row[2]}[/]", row[3])
        self._show(Group(self._bars, table))

    def _show(self, renderable: Group | Progress) -> None:
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(renderable, refresh=True)
