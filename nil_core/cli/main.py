"""``nil``: the command line application and its error handling. Imports no large modules."""

from __future__ import annotations

import logging
import os
import sys
from importlib.metadata import version
from typing import Annotated, NoReturn, TextIO

import typer

from nil_core.cli import config, demos, doctor, encoders, evaluate, export, models, plugins, run, runs, study
from nil_core.cli.extra_commands import CommandGroup
from nil_core.errors import NilError
from nil_core.readable import show_every_character
from nil_core.storage.os_errors import unforeseen

app = typer.Typer(
    name="nil",
    cls=CommandGroup,
    help="Train a robot skill from a sentence: generate a reference video, then learn to imitate it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(run.run)
app.command()(run.generate)
app.command()(study.study)
app.command("eval")(evaluate.evaluate)
app.command()(evaluate.play)
app.command()(export.export)
app.command()(demos.record)
app.command()(doctor.doctor)
app.add_typer(plugins.app, name="plugins")
app.add_typer(demos.app, name="demos")
app.add_typer(encoders.app, name="encoders")
app.add_typer(models.app, name="models")
app.add_typer(config.app, name="config")
app.add_typer(runs.app, name="runs")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nil {version('nil-core')}")
        raise typer.Exit


@app.callback()
def _nil(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point. A :class:`NilError` prints two lines and sets the exit code; ``NIL_DEBUG=1`` shows tracebacks."""
    show_every_character()
    _show_warnings()
    try:
        app()
    except NilError as error:
        _leave(error)
    except OSError as error:
        explained = unforeseen(error)
        if explained is None:
            raise
        if error.filename is None:
            sys.stdout = None  # it may be the output that cannot be written: else Python tries it again at the end
        _leave(explained)
    except KeyboardInterrupt:
        typer.echo("nil: interrupted", err=True)
        sys.exit(130)


def _leave(error: NilError) -> NoReturn:
    if os.environ.get("NIL_DEBUG"):
        raise error
    line = f"nil: {error.message}"
    print(typer.style(line, fg="red") if _may_color(sys.stderr) else line, file=sys.stderr)
    if error.hint:
        print(f"     {error.hint}", file=sys.stderr)
    sys.exit(error.exit_code)


def _may_color(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in ("dumb", "unknown")


def _show_warnings() -> None:
    """Print warnings of all loggers, one line each; INFO messages of ``nil`` go through the reporter."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # its lower-level messages are for developers
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("warning: %(message)s"))
    logging.basicConfig(handlers=[handler])


if __name__ == "__main__":
    main()
