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
from rich.text import Text

from nil_core.cli import tables
from nil_core.cli.result_tables import ResultTables, TableLines
from nil_core.reporting import Reporter
from nil_core.time_shares import briefly

SHOWN = ("reward", "similarity", "iou", "torque", "action", "velocity", "feet", "stability")
LEARNED = ("loss", "score", "temperature")
"""Ends of the names of what an agent, or a reward that learns, reports."""

NARROW = 64
"""Columns of a terminal below which bars and the table of values take half the width."""


NIL_LOGGER = logging.getLogger("nil")
"""What is logged below it at the level INFO, as ``nil.plugins.robot.mjcf``, is for the person at the terminal."""


@contextmanager
def reporter() -> Iterator[Screen | TableLines]:
    """A :class:`Screen` in a terminal, lines of text where there is none; it also shows what is logged for people."""
    console = tables.new_console()
    if sys.stdout is None or not sys.stdout.isatty() or console.is_dumb_terminal:
        lines = TableLines()
        with _telling(lines):
            yield lines
        return
    screen = Screen(console)
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


class Screen(ResultTables):
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
        what, count = TextColumn("{task.description}", markup=False), MofNCompleteColumn()
        if self._is_narrow:
            return Progress(what, count, console=self._console)
        return Progress(what, BarColumn(), count, TimeElapsedColumn(), console=self._console)

    @property
    def _is_narrow(self) -> bool:
        return self._console.width < NARROW

    def finish_lines(self) -> None:
        """Leave what moves on the screen as it is now."""
        if self._live is not None:
            self._live.stop()
        self._live, self._bars, self._tasks, self._values = None, self._no_bars(), {}, Table.grid()

    def say(self, text: str) -> None:
        """A line."""
        self.finish_lines()
        tables.show(self._console, text)

    def warn(self, text: str) -> None:
        """A yellow one."""
        self.finish_lines()
        tables.show(self._console, text, "yellow")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table, narrow enough for 80 columns."""
        self.finish_lines()
        self._console.print()
        tables.show_table(self._console, columns, rows, title)
        self._console.print()

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
        cells |= {name.replace("_", " "): f"{v:.3g}" for name, v in values.items() if name.endswith(LEARNED)}
        pairs = [(Text(name, "dim"), Text(value)) for name, value in cells.items()]
        rows = len(pairs) if self._is_narrow else -(-len(pairs) // 2)
        self._values = Table.grid(padding=(0, 2))
        for i in range(rows):
            self._values.add_row(*(each for pair in pairs[i::rows] for each in pair))
        self.progress(step, total, "environment steps")

    def _draw(self) -> None:
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(Group(self._bars, self._values), refresh=True)
