"""``nil report``, and the same tables in the terminal."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nil_core.errors import NilError
from nil_core.readable import say

if TYPE_CHECKING:
    from nil_core.report import Comparison
    from nil_core.types import Progress

MOST_COLUMNS = 6
"""Config keys that differ, up to which each is a column; of more, each is a line."""

Folders = Annotated[
    list[Path],
    typer.Argument(metavar="FOLDER...", help="Run and study folders; runs that differ in their seed only are one row."),
]
Against = Annotated[
    str | None, typer.Option(help="Row that the others are compared with; default: the first.", show_default=False)
]


def report(
    folders: Folders,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the files; default: the run or study folder, or for several the current one.",
            show_default=False,
        ),
    ] = None,
    against: Against = None,
) -> None:
    """Compare runs on one page: report.html, and the same as Markdown and CSV.

    The page shows results with intervals over seeds, learning curves, videos in step, and every run. It needs no
    network.
    """
    from nil_core.report import write_report

    with progress() as show_progress:
        written = write_report(folders, out, against, show_progress)
    warn_of_faults(written.comparison)
    say(f"report: {written.page} ({written.markdown.name} and {written.csv.name} beside it)")


@contextmanager
def progress(shown: bool = True) -> Iterator[Progress]:
    """Progress bars in a terminal; nothing elsewhere."""
    from nil_core.cli.display import Screen, reporter
    from nil_core.types import no_progress

    with reporter() if shown else nullcontext() as show:
        yield show.progress if isinstance(show, Screen) else no_progress


def warn_of_faults(comparison: Comparison) -> None:
    """One line for each kind of fault in the files that a comparison was read from."""
    from nil_core.report.faults import in_words

    for line in in_words(comparison.faults):
        typer.echo(f"warning: {line}", err=True)


def write_after_study(folder: Path) -> None:
    """Write the report of a study that has ended. A failure is one line: the study is not lost."""
    from nil_core.report import write_report

    try:
        written = write_report([folder])
        warn_of_faults(written.comparison)
        say(f"report: {written.page}")
    except NilError as error:
        typer.echo(f"warning: no report was written: {error.message}", err=True)
    except Exception as error:  # a bug in a table is no reason to lose the exit code of a study
        if os.environ.get("NIL_DEBUG"):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        typer.echo(f"warning: no report was written: {reason}; try: nil report {shlex.quote(str(folder))}", err=True)


def show(comparison: Comparison) -> None:
    """Print the tables of a comparison."""
    from nil_core.cli import tables
    from nil_core.report import facts, text

    console = tables.new_console()
    tables.show(console, f"{comparison.title}: {facts.summary(comparison)}", "bold")
    differing = text.differences(comparison)
    if len(comparison.differences) > MOST_COLUMNS:
        (first, *keys), rows = differing
        differing = (
            [first, *(row[0] for row in rows)],
            [list(line) for line in zip(keys, *(r[1:] for r in rows), strict=True)],
        )
    groups = comparison.groups.items()
    shown = [(f"\n{title}", text.results(comparison, metrics), False) for title, metrics in groups]
    against = f"Probability of improvement over {comparison.against}"
    shown += [(f"\n{against}: {title}", text.improvements(comparison, metrics), False) for title, metrics in groups]
    shown += [("\nWhat differs", differing, False), ("\nNot compared", text.left_out(comparison), True)]
    for title, (columns, cells), prose in shown:
        if cells:
            tables.show_table(console, columns, cells, title, prose=prose)
    tables.show(console, "")
    for note in comparison.notes:
        tables.show(console, note)
