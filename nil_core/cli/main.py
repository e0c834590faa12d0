"""``nil``: the commands, and how their errors are shown. Importing this module imports nothing heavy."""

from __future__ import annotations

import errno
import logging
import os
import sys
from importlib.metadata import version
from typing import Annotated, TextIO

import typer

from nil_core.cli import config, doctor, encoders, evaluate, export, models, plugins, run, runs
from nil_core.cli.extra_commands import CommandGroup
from nil_core.errors import NilError
from nil_core.readable import show_every_character

OUTPUT_LOST = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""What writing to a full disk, or to a terminal that is gone, fails with."""

app = typer.Typer(
    name="nil",
    cls=CommandGroup,
    help="A sentence becomes a motor skill: a generated video shows a robot doing it, and it learns to do so.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(run.run)
app.command()(run.generate)
app.command("eval")(evaluate.evaluate)
app.command()(evaluate.play)
app.command()(export.export)
app.command()(doctor.doctor)
app.add_typer(plugins.app, name="plugins")
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
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The entry point: a :class:`NilError` is two lines and its exit code; ``NIL_DEBUG=1`` shows tracebacks."""
    show_every_character()
    _show_warnings()
    try:
        app()
    except NilError as error:
        if os.environ.get("NIL_DEBUG"):
            raise
        line = f"nil: {error.message}"
        print(typer.style(line, fg="red") if _may_color(sys.stderr) else line, file=sys.stderr)
        if error.hint:
            print(f"     {error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in OUTPUT_LOST or os.environ.get("NIL_DEBUG"):
            raise
        print(f"nil: the output cannot be written: {error.strerror}", file=sys.stderr)
        sys.stdout = None  # else Python tries again at the end
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("nil: interrupted", err=True)
        sys.exit(130)


def _may_color(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in ("dumb", "unknown")


def _show_warnings() -> None:
    """Of whoever logs them, one line each; what ``nil`` says at INFO goes through the reporter."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # its notices are for those who develop with it
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("warning: %(message)s"))
    logging.basicConfig(handlers=[handler])


if __name__ == "__main__":
    main()
