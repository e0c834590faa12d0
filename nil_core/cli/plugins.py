"""``nil plugins``: what is installed, what a component offers, and whether everything works."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from rich.console import Console

from nil_core import registry
from nil_core.card import KINDS, ComponentCard, Kind
from nil_core.cli import other_groups, tables
from nil_core.config import parse_set
from nil_core.entry_points import Entry, broken, canonical, one_line, plugin_errors
from nil_core.errors import ConfigError, NilError, PluginError

COLUMNS = ("kind", "name", "distribution", "version", "")

app = typer.Typer(help="What is installed, what it offers, whether it works.", no_args_is_help=True)


@app.command("list")
def list_plugins() -> None:
    """Name everything installed; imports no plugin."""
    rows: list[tuple[str, ...]] = []
    for kind in KINDS:
        claims = Counter(entry.key for entry in registry.entries(kind))
        for entry in registry.entries(kind):
            note = "claimed twice: broken" if claims[entry.key] > 1 else ""
            rows.append((kind, entry.name, entry.distribution, entry.version, note))
    for entry in other_groups.entries():
        rows.append((entry.kind, entry.name, entry.distribution, entry.version, other_groups.note(entry)))
    tables.show_table(tables.new_console(), COLUMNS, rows)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="As on the command line: a1, gait, sac ... or kind.name.")],
) -> None:
    """Show what a component does and every option it has."""
    console = tables.new_console()
    for kind, each in _named(name):
        _show(console, kind, each, registry.card(kind, each))


@app.command()
def check(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="One alone, e.g. hog or encoder.hog; all unless named.", show_default=False)
    ] = None,
    contract: Annotated[
        bool, typer.Option("--contract", help="Also build what works offline, and check what it gives.")
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="An option of the one that is named.", show_default=False),
    ] = None,
) -> None:
    """Import everything installed and say what is broken; exit code 2 if anything is."""
    values = dict(map(parse_set, set_ or []))
    if values and not (name and contract):
        raise ConfigError("--set needs one component and --contract", "nil plugins check --contract NAME --set ...")
    ours = tuple(getattr(context.find_root().command, "commands", ()))
    checks = list(_checks(name, contract, values, ours))
    console = tables.new_console()
    rows, errors = [], []
    for entry, run in checks:
        try:
            state = run()
        except NilError as error:
            errors.append(error)
            state = "broken"
        rows.append((entry.kind, entry.name, entry.distribution, entry.version, state))
    tables.show_table(console, COLUMNS, rows)
    for line in dict.fromkeys(f"{failure.message}\n    {failure.hint}" for failure in errors):
        tables.show(console, line)
    if errors:
        raise typer.Exit(PluginError.exit_code)


def _kinds(incomplete: str) -> list[str]:
    """What a shell completes."""
    return [kind for kind in KINDS if kind.startswith(incomplete)]


@app.command()
def new(
    kind: Annotated[
        str,
        typer.Argument(help=f"What it is: {', '.join(KINDS)}.", autocompletion=_kinds),
    ],
    name: Annotated[str, typer.Argument(help="What it is called on the command line.")],
    out: Annotated[Path | None, typer.Option(help="Folder to make; default nil-KIND-NAME.", show_default=False)] = None,
) -> None:
    """Make a plugin to start from: a distribution that keeps its contract as it is."""
    from nil_core.cli.new_plugin import NewPlugin, install_line

    plugin = NewPlugin.named(kind, name)
    folder = plugin.write(out)
    typer.echo(f"{folder} holds {plugin.distribution}, which works as it is:")
    for line in (install_line(folder), *plugin.commands):
        typer.echo(line)


Check = Callable[[], str]
"""Gives a word for the table, or raises a ``NilError``."""


def _checks(
    name: str | None, contract: bool, values: Mapping[str, Any], ours: Collection[str]
) -> Iterator[tuple[Entry, Check]]:
    """What is to be checked, and how."""
    wanted = partial(_is_meant, None if name is None else name.replace(" ", "_").rpartition("."))
    others = list(filter(wanted, other_groups.entries()))
    if name is not None and not others:
        _named(name)  # raises where there is none, with the nearest name
    for finding in registry.check_all(targets=True, wanted=wanted):
        yield finding.entry, partial(_check_component, finding, contract, values)
    for entry in others:
        yield entry, partial(_check_other, entry, contract, ours)


def _is_meant(wanted: tuple[str, str, str] | None, entry: Entry) -> bool:
    if wanted is None:
        return True
    kind, _, short = wanted
    return entry.key == canonical(short) and kind in ("", entry.kind, f"{entry.kind}s", entry.kind.replace(" ", "_"))


def _check_component(finding: registry.Finding, contract: bool, values: Mapping[str, Any]) -> str:
    if finding.error:
        raise finding.error
    if not contract:
        return "works"
    from nil_core.testing.contract import check_contract

    with _broken_promises(finding.entry):
        return check_contract(finding.kind, finding.entry.name, values) or "keeps its contract"


def _check_other(entry: Entry, contract: bool, ours: Collection[str]) -> str:
    if not contract:
        other_groups.check(entry, ours)
        return "works"
    with _broken_promises(entry):
        other_groups.check_contract(entry, ours)
    return "keeps its contract"


@contextmanager
def _broken_promises(entry: Entry) -> Iterator[None]:
    """An ``AssertionError`` of :mod:`nil_core.testing` says which promise is broken; all else is a plugin's failure."""
    hint = f"report it to the author of {entry.distribution}; NIL_DEBUG=1 shows where"
    with plugin_errors(entry, "its contract cannot be checked", hint):
        try:
            yield
        except AssertionError as error:
            raise broken(entry, f"breaks its contract: {one_line(str(error)) or 'an assertion fails'}", hint) from error


def _named(name: str) -> list[tuple[Kind, str]]:
    """Every kind that has a component of this name; ``kind.name`` asks for one."""
    wanted, _, short = name.rpartition(".")
    kinds = [kind for kind in KINDS if wanted in ("", kind, f"{kind}s")]
    found = [(kind, each) for kind in kinds for each in registry.names(kind) if canonical(each) == canonical(short)]
    if not found:
        known = {canonical(each): each for kind in KINDS for each in registry.names(kind)}
        likely = registry.nearest(short, known)
        question = f": did you mean {likely!r}?" if likely else ""
        raise PluginError(f"nothing installed is called {name!r}{question}", "nil plugins list shows what is installed")
    return found


def _show(console: Console, kind: Kind, name: str, card: ComponentCard) -> None:
    tables.show(console, f"{kind} {name}", "bold")
    tables.show(console, card.summary)
    if card.capabilities:
        tables.show(console, f"capabilities: {', '.join(sorted(card.capabilities))}")
    if card.license:
        tables.show(console, f"license of weights and data: {card.license}")
    if card.price:
        tables.show(console, f"price: {card.price}")
    if card.prompt_template:
        tables.show(console, f"prompt: {card.prompt_template}")
    for requirement in card.requires:
        tables.show(console, f"needs {requirement.module}: {requirement.install}")
    if kind == "encoder":
        tables.show(console, f"what it tells apart: nil encoders rank {name}")
    fields = card.config.model_fields
    if not fields:
        tables.show(console, "no options\n")
        return
    rows = []
    for key, field in fields.items():
        default = "required" if field.is_required() else repr(field.get_default(call_default_factory=True))
        rows.append((f"{kind}.{key}", _type_name(field.annotation), default, field.description or ""))
    tables.show_table(console, ("option", "type", "default", "meaning"), rows, prose=True)
    example = next((key for key in card.config.__annotations__ if key in fields), next(iter(fields)))  # its own first
    tables.show(console, f"nil run --{kind} {name} --set {kind}.{example}=...\n")


def _type_name(annotation: Any) -> str:
    """``int | None`` as one would write it; constraints left out."""
    arguments = get_args(annotation)
    match get_origin(annotation):
        case None:
            return "..." if annotation is Ellipsis else str(getattr(annotation, "__name__", annotation))
        case origin if origin is Annotated:
            return _type_name(arguments[0])
        case origin if origin is Literal:
            return " | ".join(map(repr, arguments))
        case origin if origin in (Union, UnionType):
            return " | ".join(map(_type_name, arguments)).replace("NoneType", "None")
        case origin:
            return f"{origin.__name__}[{', '.join(map(_type_name, arguments))}]"
