"""Compare runs, and write the report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from nil_core.errors import RunError
from nil_core.reference.contact_sheet import MARK
from nil_core.report import page, text
from nil_core.report.notes import notes
from nil_core.report.sources import read_sources
from nil_core.report.table import Comparison, build
from nil_core.storage.atomic import write_text
from nil_core.storage.os_errors import exists, explain_os_errors
from nil_core.types import Progress, no_progress

NAME = "report"
_HEAD_BYTES = 4096  # in which a file says that nil wrote it


@dataclass(frozen=True)
class Report:
    """What :func:`write_report` wrote.

    Attributes:
        page, markdown, csv: the files.
        comparison: their content.
    """

    page: Path
    markdown: Path
    csv: Path
    comparison: Comparison


def compare(folders: Iterable[Path | str], against: str | None = None, progress: Progress = no_progress) -> Comparison:
    """Compare the final evaluations of runs.

    Args:
        folders: of runs and studies. Runs that differ in their seed only are one row.
        against: name of the row that others are compared with; default: the first.
        progress: called as folders are read.

    Raises:
        RunError: a folder is neither a run nor a study, or nothing is finished.
        ConfigError: there is no such row.
        MachineError: a folder cannot be read.
    """
    comparison = build(read_sources(map(Path, folders), progress), against)
    return replace(comparison, notes=notes(comparison))


def write_report(
    folders: Iterable[Path | str],
    out: Path | None = None,
    against: str | None = None,
    progress: Progress = no_progress,
) -> Report:
    """Compare runs, and write ``report.html``, ``report.md`` and ``report.csv``.

    Args:
        folders: as for :func:`compare`.
        out: folder of the files; default: the run or study folder if there is only one, else the current folder.
        against: as for :func:`compare`.
        progress: called as folders are read and curves are drawn.

    Raises:
        RunError, ConfigError: as :func:`compare`, or a file of the same name is not nil's; nothing was written.
        MachineError: a folder cannot be read or written.
    """
    comparison = compare(folders, against, progress)
    folder = out or (comparison.sources[0].path if len(comparison.sources) == 1 else Path())
    page_file, markdown, csv = (folder / f"{NAME}.{suffix}" for suffix in ("html", "md", "csv"))
    report = Report(page_file, markdown, csv, comparison)
    _refuse_foreign(report)
    written = {
        report.page: page.render(comparison, progress),
        report.markdown: text.markdown(comparison),
        report.csv: text.comma_separated(comparison),
    }
    for path, content in written.items():
        write_text(path, content.encode("utf-8", "replace").decode("utf-8"))  # names may hold lone surrogates
    return report


def _refuse_foreign(report: Report) -> None:
    """Never write over a file of the same name that is no report."""
    marks = {report.page: MARK, report.markdown: text.MARKDOWN_MARK, report.csv: ",".join(text.MARKED)}
    for path, mark in marks.items():
        if not exists(path, "write"):
            continue
        hint = "choose another folder with --out"
        if not path.is_file():
            raise RunError(f"{path} is no file", hint)
        with explain_os_errors(path, "read"), open(path, encoding="utf-8", errors="replace") as file:
            if mark not in file.read(_HEAD_BYTES):
                raise RunError(f"{path} was not written by nil report", hint)
