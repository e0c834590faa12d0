"""``nil study``: a grid of runs, here or on a cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nil_core import registry
from nil_core.cli import options as o
from nil_core.cli import report
from nil_core.cli.display import reporter
from nil_core.config import parse_set
from nil_core.config.tree import unflatten
from nil_core.errors import ConfigError
from nil_core.reporting import Reporter

if TYPE_CHECKING:
    from nil_core.study.grid import StudySpec
    from nil_core.study.study import StudyResult, View

INTERRUPTED_EXIT_CODE = 130
FAILED_EXIT_CODE = 1


def study(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE|NAME]", help="TOML file, study folder, or built-in study; without it, list the latter."
        ),
    ] = None,
    robot: o.Robot = None,
    generator: o.Generator = None,
    encoder: o.Encoder = None,
    agent: o.Agent = None,
    steps: o.Steps = None,
    preset: o.Preset = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Set a config value of all rows; repeatable.", show_default=False
        ),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Number of seeds, or the seeds: 5, 0,1,2 or 3-7.", show_default=False)
    ] = None,
    rows: Annotated[
        str | None,
        typer.Option(help="Only these rows: names or patterns, for example all,'no-*'.", show_default=False),
    ] = None,
    demonstrations: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Add the baselines amp, gaifo, drail, bco and bc to every row, which learn from this file; {robot} in "
            "it stands for the row's robot.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Study folder; default studies/NAME-ROBOT.", show_default=False)
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Runs at once on this machine; default: as many as fit.", show_default=False),
    ] = None,
    executor: Annotated[str, typer.Option(help="Where runs run: local, or an installed executor.")] = "local",
    executor_set: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Set an option of the executor; repeatable.", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the grid and its cost in time and money; start nothing.")
    ] = False,
    yes: o.Yes = False,
) -> None:
    """Run a grid of configs by seeds, and compare the results.

    Finished runs are skipped and interrupted ones resumed, so the same command continues a study. At the end a report
    is written into the study folder (nil report).
    """
    if what is None:
        _list_built_in()
        return
    changes = {"robot": robot, "generator": generator, "encoder": encoder, "agent": agent, "steps": steps}
    spec = _spec(what, changes | dict(map(parse_set, set_ or [])), seeds, preset)
    patterns = [each.strip() for each in (rows or "*").split(",")]
    if demonstrations is not None:
        from nil_core.study.baselines import with_baselines

        spec = with_baselines(spec, demonstrations, patterns)
    spec = spec.only(patterns)
    where = out or _study_folder(what)
    if dry_run:
        _dry_run(spec, where, jobs)
        return
    from nil_core.study.executors import LOCAL, build
    from nil_core.study.study import run_study

    place = None if executor == LOCAL else build(executor, unflatten(dict(map(parse_set, executor_set or []))))
    if place is None and executor_set:
        raise ConfigError("the executor local has no options for --executor-set", "--jobs N sets the runs at once")
    with reporter() as show, _view(show) as view:
        result = run_study(spec, where, place, show, o.consent(yes, show.say), jobs, view=view)
    _show_result(result)
    if result.interrupted:
        raise typer.Exit(INTERRUPTED_EXIT_CODE)
    report.write_after_study(result.folder)
    if result.counts["failed"]:
        raise typer.Exit(FAILED_EXIT_CODE)


def _list_built_in() -> None:
    from nil_core.cli import tables
    from nil_core.study.builtin import BUILT_IN

    rows = [(name, str(len(each.rows)), each.question) for name, each in BUILT_IN.items()]
    tables.show_table(tables.new_console(), ("study", "rows", "question"), rows, prose=True)


def _study_folder(what: str) -> Path | None:
    return Path(what) if Path(what, "study.toml").is_file() else None


def _spec(what: str, changes: dict[str, Any], seeds: str | None, preset: str | None) -> StudySpec:
    from nil_core.study.builtin import BUILT_IN, built_in
    from nil_core.study.grid import parse_seeds, read_spec

    chosen = None if seeds is None else parse_seeds(seeds)
    if (folder := _study_folder(what)) is not None:
        return read_spec(folder / "study.toml").changed(changes, chosen, preset)
    if what not in BUILT_IN and (Path(what).exists() or what.endswith(".toml")):
        return read_spec(Path(what)).changed(changes, chosen, preset)
    return built_in(what, changes, chosen, preset)


def _dry_run(spec: StudySpec, out: Path | None, jobs: int | None) -> None:
    from nil_core.cli import tables
    from nil_core.cli.study_view import duration
    from nil_core.study import costs
    from nil_core.study.folder import StudyFolder, default_folder
    from nil_core.study.grid import with_steps
    from nil_core.study.machine import this_machine
    from nil_core.study.references import distinct, prices, shared_reference

    entries = spec.entries()
    folder = StudyFolder((out or default_folder(spec, entries)).absolute())
    folder.check(spec, entries)
    known = costs.timings([folder.path / "runs", Path("runs"), *costs.run_folders(Path("studies"))])
    console = tables.new_console()
    places = folder.places(entries)
    configs = {entry.row: with_steps(entry.config) for entry in entries if entry.seed == entries[0].seed}
    rows, left = [], []
    for entry in entries:
        progress = folder.progress(places.get(entry.hash, entry.run), entry.config)
        config = configs[entry.row]
        expected = 0.0 if progress.finished else costs.remaining(config, progress.step, known)
        left.append(expected)
        time_left = "" if progress.finished else "?" if expected is None else duration(expected)
        rows.append((entry.row, str(entry.seed), progress.state, f"{progress.step}/{config.steps}", time_left))
    tables.show_table(console, ("row", "seed", "state", "steps", "time left"), rows)
    for line in _differences(spec):
        tables.show(console, line)
    slots = jobs or this_machine().slots
    expected_left = [each for each in left if each is not None]
    unknown = len(left) - len(expected_left)
    tables.show(console, f"{len(entries)} runs, {sum(each == 0 for each in left)} finished; {slots} at once here")
    if total := sum(expected_left):
        more = f", and {unknown} runs of unknown length" if unknown else ""
        tables.show(console, f"time: {duration(total)} of runs, {duration(total / slots)} here{more}")
    elif unknown:
        tables.show(console, "time: unknown, no finished run with these components is in ./runs or ./studies")
    references = distinct(shared_reference(entry, spec.reference_seed) for entry in entries)
    missing = [each for each in references if not folder.has_reference(each.path)]
    found = prices(missing)
    for reference in missing:
        if (error := found.failures.get(reference.hash)) is not None:
            price = registry.card("generator", reference.config.generator.name).price
            tables.show(console, f"{reference.config.generator.name}: {error.message} (list price: {price})")
    total_price = [str(found.total)] if found.total else []
    total_price += [f"unknown for {len(found.failures)} of {len(missing)} videos, see above"] if found.failures else []
    tables.show(console, f"price: {'; '.join(total_price) or 'nothing to pay'}")


def _differences(spec: StudySpec) -> Iterator[str]:
    for row in spec.rows:
        values = ", ".join(f"{key}={value}" for key, value in row.overrides.items())
        yield f"{row.name}: {values or 'no changes'}"


@contextmanager
def _view(show: Reporter) -> Iterator[View | None]:
    """A live table in a terminal; elsewhere the lines of the reporter serve."""
    from nil_core.cli.study_view import StudyView

    if sys.stdout is None or not sys.stdout.isatty():
        yield None
        return
    view = StudyView()
    try:
        yield view
    finally:
        view.close()


def _show_result(result: StudyResult) -> None:
    from nil_core.cli import tables

    console = tables.new_console()
    rows = [
        (run.entry.row, str(run.entry.seed), run.state, str(run.step), run.error) for run in result.runs if run.error
    ]
    if rows:
        tables.show_table(console, ("row", "seed", "state", "step", "last error"), rows, prose=True)
    counts = ", ".join(f"{number} {state}" for state, number in result.counts.items())
    tables.show(console, f"{len(result.runs)} runs: {counts}")
    again = "; the same command goes on" if any(run.state != "finished" for run in result.runs) else ""
    tables.show(console, f"study: {result.folder}{again}")
