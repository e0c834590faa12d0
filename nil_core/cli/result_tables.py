"""The tables of a run's results, in a terminal and as plain lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nil_core.evaluation.columns import tables
from nil_core.reporting import Lines

if TYPE_CHECKING:
    from nil_core.interfaces import TermRow

SPREAD_SHOWN = ("return", "speed", "locomujoco_1.25", "mocap_loss_deg", "reference_loss_deg")
"""Metrics whose spread is printed; that of the others is in the rows."""


class ResultTables:
    """Reports results as tables (part of :class:`nil_core.reporting.Reporter`)."""

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A small table."""
        raise NotImplementedError

    def reward(self, rows: Sequence[TermRow]) -> None:
        """One row for each term."""
        cells = [[row.symbol, row.name, f"{row.weight:g}", row.unit] for row in rows]
        self.table("Reward", ["term", "definition", "weight", "unit or scale"], cells)

    def evaluation(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """One row for each policy."""
        for title, headings, cells in tables(rows):
            self.table(title, headings, cells)

    def spread(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Standard deviations and confidence intervals of the main metrics; nothing for a single episode."""
        if cells := _spread(rows):
            self.table(
                "Spread over episodes", ["metric", "policy", "mean", "std", "95 % interval (Student's t)"], cells
            )

    def facts(self, title: str, facts: Mapping[str, str]) -> None:
        """One row for each fact."""
        self.table(title, ["property", "value"], [[name, value] for name, value in facts.items()])


class TableLines(ResultTables, Lines):
    """Plain lines with tables, where there is no terminal."""

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns padded to one width each."""
        widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
        self.say(title)
        for row in [columns, *rows]:
            self.say("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _spread(rows: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Cells of standard deviations and confidence intervals."""
    cells = []
    for name in SPREAD_SHOWN:
        for policy, row in rows.items():
            if row.get(f"{name}_ci95") is not None:
                low, high = row[f"{name}_ci95"]
                interval = f"{low:.3f} to {high:.3f}"
                cells.append([name, policy, f"{row[name]:.3f}", f"{row[f'{name}_std']:.3f}", interval])
    return cells
