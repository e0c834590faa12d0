"""Choosing one of N: the components that installed distributions offer, over entry points, in three tiers.

========================================  =======================================  ================================
tier                                      what it imports                          who needs it
========================================  =======================================  ================================
:func:`names`, :func:`entries`            nothing                                  ``--help``, completion, listing
:func:`card`, :func:`options`             the plugin's ``__init__`` (pydantic)     ``nil plugins show``, validation
:func:`build`                             the implementation                       the run itself
========================================  =======================================  ================================

A broken plugin is an error only for whoever chooses it: every failure is a one-line :class:`PluginError` with a remedy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from inspect import get_annotations
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from nil_core import entry_points
from nil_core.card import API_VERSION, KINDS, Capability, ComponentCard, Kind, Options, Requirement
from nil_core.entry_points import Entry, broken, canonical, install_command, load, one_line, plugin_errors
from nil_core.errors import ConfigError, NilError, PluginError
from nil_core.renamed_keys import renamed_key_error


@dataclass(frozen=True)
class Finding:
    """What :func:`check_all` learned of one entry: its card, or why it has none."""

    kind: Kind
    entry: Entry
    card: ComponentCard | None = None
    error: NilError | None = None


def entries(kind: Kind) -> tuple[Entry, ...]:
    """Every claim on a name of this kind, sorted; imports nothing."""
    return entry_points.entries(group(kind))


def names(kind: Kind) -> tuple[str, ...]:
    """The installed names of a kind, sorted; imports nothing."""
    return tuple({entry.key: entry.name for entry in entries(kind)}.values())


def group(kind: Kind) -> str:
    """The entry-point group of a kind: ``nil.encoders``."""
    return f"{entry_points.PREFIX}{kind}s"


def card(kind: Kind, name: str) -> ComponentCard:
    """The card behind a name.

    Args:
        kind: which registry.
        name: as on the command line; hyphen and underscore are one.

    Raises:
        PluginError: no such name, two distributions claim it, or what it leads to is not a card of this kind and API.
    """
    return _card(kind, find_entry(kind, name))


def options(kind: Kind, name: str, values: Mapping[str, Any]) -> Options:
    """A component's validated options.

    Args:
        kind: which registry.
        name: which component.
        values: option name to value; what is missing takes its default.

    Raises:
        ConfigError: a key it does not have, or a value that does not fit; one line, the nearest key offered.
        PluginError: as :func:`card`.
    """
    entry = find_entry(kind, name)
    return _options(kind, entry, _card(kind, entry), values)


def build(kind: Kind, name: str, values: Mapping[str, Any], *args: Any) -> Any:
    """Import the implementation and construct it.

    Args:
        kind: which registry.
        name: which component.
        values: its options, see :func:`options`.
        args: what the target gets after the options: nothing, or for an agent its ``AgentSpec``.

    Returns:
        an object that has every member of its kind's protocol in :mod:`nil_core.interfaces`.

    Raises:
        ConfigError: as :func:`options`.
        PluginError: as :func:`card`; a required module is missing; the implementation cannot be imported or
            constructed, or lacks a member.
        NilError: whatever the component itself has to say.
    """
    entry = find_entry(kind, name)
    found = _card(kind, entry)
    validated = _options(kind, entry, found, values)
    target = load_target(entry, found.target, found.requires)
    with plugin_errors(entry, f"{found.target} cannot be constructed"):
        component = target(validated, *args)
    with plugin_errors(entry, f"{found.target} cannot be inspected"):
        missing = [member for member in _members(_protocol(found)) if not hasattr(component, member)]
    if missing:
        why = f"{found.target} is no {_protocol(found).__name__}: it lacks {', '.join(missing)}"
        raise broken(entry, why, f"report it to the author of {entry.distribution}")
    return component


def check_all(
    *kinds: Kind, targets: bool = False, wanted: Callable[[Entry], bool] = lambda entry: True
) -> Iterator[Finding]:
    """Look at everything installed, one after another; never raises for a broken plugin.

    Args:
        kinds: which registries; all unless given.
        targets: import the implementations too (nothing is constructed).
        wanted: which of their entries; all unless given.
    """
    for kind in kinds or KINDS:
        for entry in filter(wanted, entries(kind)):
            try:
                entry_points.refuse_rivals(entry.group, entry.key)
                found = _card(kind, entry)
                if targets:
                    load_target(entry, found.target, found.requires)
            except NilError as error:
                yield Finding(kind, entry, error=error)
            else:
                yield Finding(kind, entry, card=found)


def nearest(word: str, choices: Mapping[str, str]) -> str:
    """The choice a misspelled word most likely meant, or an empty string; ``choices`` maps canonical to shown names."""
    close = get_close_matches(canonical(word), choices, n=1)
    return choices[close[0]] if close else ""


def find_entry(kind: Kind, name: str) -> Entry:
    """The one entry of a name; imports nothing.

    Raises:
        PluginError: there is none, or several claim the name.
    """
    entry_points.refuse_rivals(group(kind), name)
    if found := entry_points.claims(group(kind), name):
        return found[0]
    known = names(kind)
    likely = nearest(name, {canonical(each): each for each in known})
    question = f": did you mean {likely!r}?" if likely else ";"
    message = f"no {kind} is called {name!r}{question} installed: {', '.join(known) or 'none'}"
    raise PluginError(message, f"--{kind} {likely}" if likely else _install_line(kind, name))


def _install_line(kind: Kind, name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", name, re.ASCII):
        return "nil plugins list shows what is installed"
    return f"if it is a plugin not yet installed: {install_command(kind, name)}"


def _card(kind: Kind, entry: Entry) -> ComponentCard:
    found = load(entry)
    ask = f"report it to the author of {entry.distribution}"
    if not isinstance(found, ComponentCard):
        raise broken(entry, f"{entry.value} is no ComponentCard but of type {type(found).__name__}", ask)
    if found.api != API_VERSION:
        stale = entry.distribution if found.api < API_VERSION else "nil-core"
        why = f"written for plugin API {found.api}, this nil-core has {API_VERSION}"
        raise broken(entry, why, f"pip install --upgrade {stale}")
    if found.kind != kind:
        raise broken(entry, f"its card says it is of kind {found.kind!r}", ask)
    if not (isinstance(found.config, type) and issubclass(found.config, Options)):
        raise broken(entry, f"its card's config is no subclass of Options: {found.config!r}", ask)
    return found


def load_target(entry: Entry, target_path: str, requires: Iterable[Requirement]) -> Callable[..., Any]:
    """The implementation behind a card.

    Args:
        entry: of the card.
        target_path: ``package.module:Class``.
        requires: modules that must be there before it is imported.

    Raises:
        PluginError: one is missing, or the implementation cannot be imported or called.
    """
    for requirement in requires:
        with plugin_errors(entry, f"cannot look for the module {requirement.module}"):
            missing = not _importable(requirement.module)
        if missing:
            raise broken(entry, f"needs the module {requirement.module}", requirement.install)
    if ":" not in target_path:
        why = f"its card's target is not package.module:Class but {target_path!r}"
        raise broken(entry, why, f"report it to the author of {entry.distribution}")
    target: Callable[..., Any] = load(entry, target_path)
    if not callable(target):
        why = f"{target_path} is not callable but of type {type(target).__name__}"
        raise broken(entry, why, f"report it to the author of {entry.distribution}")
    return target


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the parent of a dotted name
        return False


def _protocol(found: ComponentCard) -> type:
    from nil_core.interfaces import (  # imports numpy: not for nil --help
        PROTOCOLS,
        FrameWiseEncoder,
        LearnedReward,
        PaidGenerator,
    )

    if found.can(Capability.FRAME_WISE):
        return FrameWiseEncoder
    if found.kind == "reward" and found.can(Capability.LEARNS):
        return LearnedReward
    return PaidGenerator if found.can(Capability.PAID) else PROTOCOLS[found.kind]


def _members(protocol: type) -> list[str]:
    bases = [base for base in protocol.__mro__ if base.__module__ == protocol.__module__]
    members = {name for base in bases for name in (*vars(base), *get_annotations(base))}
    return sorted(name for name in members if not name.startswith("_"))


def _options(kind: Kind, entry: Entry, found: ComponentCard, values: Mapping[str, Any]) -> Options:
    with plugin_errors(entry, "its options cannot be validated"):
        try:
            validated = found.config.model_validate(dict(values))
        except ValidationError as error:
            renamed = renamed_key_error(error, found.config, f"{kind}.")
            raise renamed or _option_error(kind, entry.name, found.config, error.errors()[0]) from error
    return validated


def _option_error(kind: Kind, name: str, config: type[Options], error: ErrorDetails) -> ConfigError:
    """One line for the first of pydantic's complaints."""
    fields = config.model_fields
    key = ".".join(map(str, error["loc"]))
    says = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ").rstrip(".")
    if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
        likely = nearest(key, {canonical(field): field for field in fields})
        question = f": did you mean {likely!r}?" if likely else ";"
        message = f"the {kind} {name!r} has no option {key!r}{question} options: {', '.join(fields) or 'none'}"
        return ConfigError(message, f"--set {kind}.{likely}=..." if likely else f"nil plugins show {name}")
    if error["type"] == "missing":
        message = f"the {kind} {name!r} needs the option {key!r}"
    elif key:
        value = one_line(str(error["input"]), 60)
        message = f"--set {kind}.{key}={value}: {says[:1].lower()}{says[1:]} (option of the {kind} {name!r})"
    else:
        message = f"the {kind} {name!r} refuses its options: {says}"
    field = fields.get(str(error["loc"][0])) if error["loc"] else None
    described = f": {field.description}" if field is not None and field.description else ""
    return ConfigError(message, f"--set {kind}.{key}=...{described}" if key else f"nil plugins show {name}")
