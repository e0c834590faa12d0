"""How a run shows itself in a terminal: progress bars, and a live table while it learns. Plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from nil_core.reporting import Lines, Reporter
from nil_core.time_shares import briefly

SHOWN = ("reward", "similarity", "iou", "torque", "action", "velocity", "feet", "stability")


NIL_LOGGER = logging.getLogger("nil")
"""What is logged below it at the level INFO, as ``nil.plugins.robot.mjcf``, is for the person at the terminal."""


@contextmanager
def reporter() -> Iterator[Reporter]:
    """A :class:`Screen` in a terminal, lines of text where there is none; it also shows what is logged for people."""
    if not sys.stdout.isatty():
        lines = Lines()
        with _telling(lines):
            yield lines
        return
    screen = Screen(Console())
    try:
        with _telling(screen):
            yield screen
    finally:
        screen.finish_lines()


@contextmanager
def _telling(shown: Reporter) -> Iterator[None]:
    handler = _ScreenHandler(shown)
    NIL_LOGGER.addHandler(handler)
    NIL_LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        NIL_LOGGER.removeHandler(handler)


class _ScreenHandler(logging.Handler):
    def __init__(self, shown: Reporter) -> None:
        super().__init__()
        self._shown = shown

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING:  # warnings are shown wherever they come from
            self._shown.say(record.getMessage())


class Screen:
    """Reports to a terminal (implements :class:`nil_core.reporting.Reporter`).

    What moves stands at the bottom. A line or a table lets it come to rest where it is, and stands below it: so
    everything can be read in the order in which it happened.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = self._no_bars()
        self._tasks: dict[str, TaskID] = {}
        self._values = Table.grid()
        self._live: Live | None = None

    def _no_bars(self) -> Progress:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        return Progress(*columns, console=self._console)

    def finish_lines(self) -> None:
        """Leave what moves on the screen as it is now."""
        if self._live is not None:
            self._live.stop()
        self._live, self._bars, self._tasks, self._values = None, self._no_bars(), {}, Table.grid()

    def say(self, text: str) -> None:
        """A line."""
        self.finish_lines()
        self._console.print(text, highlight=False, soft_wrap=True, markup=False)

    def warn(self, text: str) -> None:
        """A yellow one."""
        self.finish_lines()
        self._console.print(text, style="yellow", highlight=False, soft_wrap=True, markup=False)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table, narrow enough for 80 columns."""
        self.finish_lines()
        table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for i, column in enumerate(columns):
            numbers = all(_is_number(row[i]) for row in rows)
            table.add_column(column, justify="right" if numbers else "left", header_style="dim")
        for row in rows:
            table.add_row(*row)
        self._console.print("", table, "")

    def progress(self, done: int, total: int, what: str) -> None:
        """A bar per long part."""
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done, total=total)
        self._draw()

    def learning(self, step: int, total: int, values: Mapping[str, float], rates: Mapping[str, float]) -> None:
        """A bar and the newest values, in two columns."""
        left = rates.get("seconds_left", 0.0)
        cells = {
            "steps/s": f"{rates.get('steps_per_second', 0):.0f}",
            "time left": f"{left // 60:.0f} min {left % 60:.0f} s",
        }
        if parts := briefly(rates):
            cells["time"] = parts
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
        self._values = Table.grid(padding=(0, 2))
        for i in range(half):
            row = [*pairs[i], *(pairs[half + i] if half + i < len(pairs) else ("", ""))]
            self._values.add_row(f"[dim]{row[0]}[/]", row[1], f"[dim]{row[2]}[/]", row[3])
        self.progress(step, total, "environment steps")

    def _draw(self) -> None:
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(Group(self._bars, self._values), refresh=True)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
