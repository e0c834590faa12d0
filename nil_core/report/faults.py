"""What is wrong with the files of runs that are compared all the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from nil_core import registry
from nil_core.card import KINDS
from nil_core.config import RunConfig
from nil_core.errors import NilError, RunError
from nil_core.report.metrics import number, table, trained
from nil_core.storage.run_folder import EVALUATION_FORMAT, RunFolder

DAMAGED = "Damaged lines are left out"
UNKNOWN = "Config keys that this nil does not know"
UNUSABLE = "Saved evaluations that cannot be shown"


class Fault(NamedTuple):
    """A fault of one file.

    Attributes:
        kind: one of the constants of this module.
        where: the file, and what is wrong in it.
    """

    kind: str
    where: str


def in_words(faults: Sequence[Fault]) -> list[str]:
    """One line for each kind."""
    kinds = dict.fromkeys(fault.kind for fault in faults)
    return [f"{kind}: {', '.join(each.where for each in faults if each.kind == kind)}." for kind in kinds]


def damaged_lines(name: str, whole: Sequence[Any], damaged: Sequence[int]) -> tuple[Fault, ...]:
    """A fault if lines of a file are damaged.

    Args:
        name: of the file.
        whole: its other lines.
        damaged: numbers of the damaged ones, from 1.
    """
    if not damaged:
        return ()
    total = len(whole) + len(damaged)
    return (Fault(DAMAGED, f"{name} ({len(damaged)} of {total}, the first is line {damaged[0]})"),)


def unknown_keys(name: str, tree: Mapping[str, Any]) -> tuple[Fault, ...]:
    """A fault if a config has keys that neither nil nor the installed components know.

    Args:
        name: of the file.
        tree: its tables.
    """
    keys = _unknown(RunConfig, tree)
    for kind in KINDS:
        options = dict(table(tree.get(kind)))
        component = options.pop("name", None)
        with suppress(NilError):  # a component that is not installed
            if isinstance(component, str):
                keys += [f"{kind}.{key}" for key in _unknown(registry.card(kind, component).config, options)]
    return (Fault(UNKNOWN, f"{name} ({', '.join(keys)})"),) if keys else ()


def _unknown(model: type[BaseModel], values: Mapping[str, Any]) -> list[str]:
    try:
        model.model_validate(dict(values))
    except ValidationError as error:
        return [".".join(map(str, each["loc"])) for each in error.errors() if each["type"] == "extra_forbidden"]
    return []


def read_saved(folder: RunFolder, name: str, summary: Mapping[str, Any]) -> tuple[Mapping[str, Any], tuple[Fault, ...]]:
    """The evaluation that ``nil eval --save`` left in a run folder; empty if there is none that can be shown, and why.

    Args:
        folder: of the run.
        name: of its path.
        summary: content of ``summary.json``.
    """
    try:
        found = folder.read(folder.evaluation)
    except RunError:
        return {}, (Fault(UNUSABLE, f"{name} (evaluation.json cannot be read)"),)
    if not found or not summary:
        return {}, ()
    steps = table(found.get("conditions")).get("steps")
    if found.get("nil") != "evaluation" or found.get("format") != EVALUATION_FORMAT:
        reason = "evaluation.json is of another format"
    elif steps != summary.get("steps"):
        reason = f"evaluation.json is of step {steps}, the run has {summary.get('steps')}"
    elif number(trained(found).get("return")) is None:
        reason = "evaluation.json has no return of the trained policy"
    else:
        return found, ()
    return {}, (Fault(UNUSABLE, f"{name} ({reason})"),)
