"""Words and tables on a console: shown as they are, never as markup or emoji, and readable at any width."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

NARROWEST = 24  # columns that a column of prose needs


def new_console() -> Console:
    """Standard output."""
    return Console(markup=False, emoji=False, highlight=False)


def show(console: Console, text: str, style: str = "") -> None:
    """A line, as long as it is: the terminal wraps it, and a copy of it is one line."""
    console.print(Text(text, style), soft_wrap=True)


def show_table(
    console: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    title: str = "",
    boxed: bool = False,
    prose: bool = False,
) -> None:
    """A table; where the terminal is too narrow for it, a paragraph for each row.

    Args:
        console: where to.
        columns: their names.
        rows: cells.
        title: above it.
        boxed: whether it has lines.
        prose: whether the last column may be wrapped.
    """
    if title:
        show(console, title, "bold")
    table = _table(columns, rows, boxed)
    widest = console.measure(table, options=console.options.update(width=10_000)).maximum
    if not (console.is_terminal or "COLUMNS" in os.environ):
        console.width = widest  # a pipe gets whole lines
    if widest <= console.width or (prose and _room_for_prose(console, columns, rows) >= NARROWEST):
        console.print(table)
    else:
        _show_paragraphs(console, columns, rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], boxed: bool) -> Table:
    table = Table() if boxed else Table(box=None, pad_edge=False, header_style="dim")
    for i, column in enumerate(columns):
        numbers = bool(rows) and all(_is_number(row[i]) for row in rows)
        last = i == len(columns) - 1
        table.add_column(Text(column), justify="right" if numbers else "left", no_wrap=not last, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _room_for_prose(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    others = [max(map(cell_len, cells)) for cells in zip(columns[:-1], *(row[:-1] for row in rows), strict=True)]
    return console.width - sum(others) - 2 * len(others)


def _show_paragraphs(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for row in rows:
        show(console, row[0], "bold")
        for column, cell in zip(columns[1:], row[1:], strict=True):
            if cell:
                console.print(Padding(Text(f"{column} {cell}".strip(), overflow="fold"), (0, 0, 0, 2)))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
