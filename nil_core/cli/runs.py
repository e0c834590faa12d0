"""``nil runs``: list runs and show their results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nil_core.cli import report, tables
from nil_core.errors import ConfigError, NilError, RunError
from nil_core.readable import say

if TYPE_CHECKING:
    from nil_core.storage.run_folder import RunFolder

app = typer.Typer(help="List runs and show their results.", no_args_is_help=True)
Root = Annotated[Path, typer.Option(help="Folder that contains the runs.")]


@app.command("list")
def list_(root: Root = Path("runs")) -> None:
    """List the runs under a folder."""
    from nil_core.storage.run_folder import list_runs

    rows = []
    for folder in filter(_is_readable, list_runs(root)):
        status, summary = folder.read(folder.status), folder.read(folder.summary)
        trained = summary.get("policies", {}).get("trained", {})
        gain = summary.get("return_over_zero")
        rows.append(
            (
                str(folder.path),
                status.get("state", "?"),
                str(status.get("step", "?")),
                f"{trained['return']:.3f}" if trained else "",
                f"{gain:+.0%}" if gain is not None else "",
                f"{trained['speed']:.2f}" if trained else "",
            )
        )
    if not rows:
        say(f"no runs under {root}; `nil run` makes one")
        return
    tables.show_table(
        tables.new_console(), ("run", "state", "step", "return", "over standing", "speed m/s"), rows, boxed=True
    )


def _is_readable(folder: RunFolder) -> bool:
    """Whether a line can be made of the run's small files; if not, a warning says why."""
    try:
        with _damage_named(folder.path):
            status, summary = folder.read(folder.status), folder.read(folder.summary)
            if not isinstance(status.get("state", ""), str):
                raise TypeError(f"its state is {status['state']!r}")
            if trained := summary.get("policies", {}).get("trained", {}):
                format(trained["return"], ".3f"), format(trained["speed"], ".2f")
            if (gain := summary.get("return_over_zero")) is not None:
                format(gain, "+.0%")
    except NilError as error:
        typer.echo(f"warning: {error.message}", err=True)
        return False
    return True


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """The small files of a run hold whatever somebody, or a bad disk, wrote into them."""
    try:
        yield
    except (FileNotFoundError, LookupError, TypeError, AttributeError, ValueError, StopIteration) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise RunError(f"the run {path} is damaged: {reason}", "start a new one, or mend its files") from None


@app.command()
def compare(
    folders: report.Folders,
    against: report.Against = None,
    json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print rows and runs as CSV.")] = False,
) -> None:
    """Compare the final evaluations of runs: the tables of nil report, in the terminal."""
    if json and csv:
        raise ConfigError("--json and --csv exclude each other", "choose one of them")
    from nil_core.report import compare as compare_runs
    from nil_core.report import text

    with report.progress(shown=not (json or csv)) as progress:
        comparison = compare_runs(folders, against, progress)
    report.warn_of_faults(comparison)
    if json:
        from json import dumps

        say(dumps(text.tree(comparison), indent=2, default=str))
    elif csv:
        say(text.comma_separated(comparison).rstrip())
    else:
        report.show(comparison)


@app.command()
def show(folder: Annotated[Path, typer.Argument(help="Run folder.")]) -> None:
    """Show origin, progress and results of a run."""
    with _damage_named(folder):
        _show(folder)


def _show(folder: Path) -> None:
    from nil_core import time_shares
    from nil_core.evaluation.columns import tables as evaluation_tables
    from nil_core.report import faults
    from nil_core.storage import log
    from nil_core.storage.run_folder import open_run

    opened, config = open_run(folder)
    manifest, status, summary = (opened.read(f) for f in (opened.manifest, opened.status, opened.summary))
    console = tables.new_console()
    facts = {
        "state": f"{status.get('state')} at step {status.get('step')} of {config.total_steps}, {status.get('at')}",
        "made": f"{manifest.get('created')} by {' '.join(manifest.get('command', []))}",
        "prompt": opened.reference.joinpath("prompt.txt").read_text(encoding="utf-8").strip(),
        "versions": ", ".join(f"{k} {v}" for k, v in manifest.get("versions", {}).items()),
        "hardware": ", ".join(f"{k} {v}" for k, v in manifest.get("hardware", {}).items()),
    }
    if parts := time_shares.shares(log.read(opened.timing)):
        facts["time"] = time_shares.in_words(parts)
    for name, value in facts.items():
        tables.show(console, f"{name:10} {value}")
    lines, damaged = log.read_around_damage(opened.metrics, growing=not summary)
    evaluations = [row for row in lines if row.get("kind") == "eval"]
    if evaluations:
        columns = [name for name in evaluations[-1] if name not in ("kind", "episodes")]
        cells = [[f"{row[name]:.4g}" for name in columns] for row in evaluations]
        tables.show_table(console, columns, cells, "Evaluations", boxed=True)
    saved, unusable = faults.read_saved(opened, str(folder), summary)
    for heading, found in (("", summary), (f" (nil eval --save, {saved.get('at')})", saved)):
        for title, headings, cells in evaluation_tables(found["policies"]) if found else ():
            tables.show_table(console, headings, cells, title + heading)
    for line in faults.in_words([*faults.damaged_lines(str(opened.metrics), lines, damaged), *unusable]):
        typer.echo(f"warning: {line}", err=True)
