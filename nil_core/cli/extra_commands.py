"""Commands of other distributions: entry points of the group ``nil.commands``, known from their metadata.

The entry point's name is the command's, its value a ``typer.Typer``, which is imported when the command is called::

    [project.entry-points."nil.commands"]
    upload = "my_plugin.upload:app"

A command that only a hook offers (:meth:`nil_core.hooks.HookSpecs.commands`) is found too, but not in ``nil --help``.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from nil_core.entry_points import Entry, broken, entries, load

GROUP = "nil.commands"

_log = logging.getLogger(__name__)


class PluginCommand(TyperCommand):
    """What is known of a command before it is imported."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.name, help=f"Command of {entry.distribution} {entry.version}.")
        self._entry = entry

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """Import the command, and go on with it."""
        command = typer.main.get_command(load_command(self._entry))
        return command.make_context(info_name, args, parent, **extra)


class CommandGroup(TyperGroup):
    """Our own commands, and those of other distributions, which cannot replace ours."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all; imports nothing."""
        return [*super().list_commands(ctx), *accepted(frozenset(self.commands))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Ours, else one of an entry point, else one of a hook."""
        if (own := super().get_command(ctx, cmd_name)) is not None:
            return own
        ours = frozenset(self.commands)
        if (entry := accepted(ours).get(cmd_name)) is not None:
            return PluginCommand(entry)
        app = _commands_of_hooks(ours).get(cmd_name)
        return None if app is None else typer.main.get_command(app)


def accepted(ours: frozenset[str]) -> Mapping[str, Entry]:
    """The commands of others, by name; each that cannot be one gets a warning."""
    return _accepted(ours, entries(GROUP))


@cache
def _accepted(ours: frozenset[str], found: tuple[Entry, ...]) -> Mapping[str, Entry]:
    names = Counter(entry.name for entry in found)
    taken = {}
    for entry in found:
        if why := refusal(entry.name, ours, names[entry.name]):
            _log.warning("%s is left out: %s", entry, why)
        else:
            taken[entry.name] = entry
    return taken


def refusal(name: object, ours: Collection[str], claims: int = 1) -> str:
    """Why a name can be no command; empty if it can.

    Args:
        name: as its author wrote it.
        ours: names that are taken.
        claims: how many distributions claim it.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        return "the name of a command is of lower-case letters, digits and hyphens"
    if name in ours:
        return f"nil has a command {name} of its own"
    return f"{claims} distributions claim the name" if claims > 1 else ""


def load_command(entry: Entry) -> typer.Typer:
    """Import a command.

    Raises:
        PluginError: the import failed, or it is no ``typer.Typer``.
    """
    app = load(entry)
    if not isinstance(app, typer.Typer):
        why = f"{entry.value} is no typer.Typer but of type {type(app).__name__}"
        raise broken(entry, why, f"report it to the author of {entry.distribution}")
    return app


def _commands_of_hooks(ours: frozenset[str]) -> dict[str, typer.Typer]:
    """Those that hooks offer when they are asked; imports all hooks."""
    from nil_core.hooks import Hooks

    found: dict[str, typer.Typer] = {}
    for offered in Hooks.load().fire("commands"):
        for pair in offered if isinstance(offered, list | tuple) else [offered]:
            name, app = pair if isinstance(pair, tuple) and len(pair) == 2 else (pair, None)
            why = refusal(name, ours | set(found)) or ("" if isinstance(app, typer.Typer) else "it is no typer.Typer")
            if why:
                _log.warning("the command %r of a hook is left out: %s", name, why)
            elif isinstance(app, typer.Typer):
                found[name] = app
    return found
