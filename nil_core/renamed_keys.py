"""Config keys that had another name in an earlier version: an error that names the new one.

A pydantic model lists them in a class variable::

    class SacOptions(Options):
        RENAMED: ClassVar[Mapping[str, str]] = {"batch": "batch_size"}

Keys and values are dotted paths from that model. A key that moves to another table is listed at a model that contains
both tables: ``{"environment.terminal_value": "reward.terminal_value"}``. The model must refuse unknown keys.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from nil_core.errors import ConfigError


def renamed_key_error(error: ValidationError, model: type[BaseModel], prefix: str = "") -> ConfigError | None:
    """An error for the first renamed key among the unknown keys that pydantic found.

    Args:
        error: from validating ``model``.
        model: the root of the config.
        prefix: what precedes its keys on the command line, as ``agent.``.

    Returns:
        None if no unknown key has been renamed.
    """
    for detail in error.errors():
        if detail["type"] != "extra_forbidden":
            continue
        for path, value in _leaves([str(part) for part in detail["loc"]], detail["input"]):
            if (renamed := _renamed(model, path)) is not None:
                old, new = renamed
                hint = (
                    f"rename the table to [{prefix}{new}]" if isinstance(value, Mapping) else _set(prefix + new, value)
                )
                return ConfigError(f"{prefix}{old} is now {prefix}{new}", hint)
    return None


def _set(key: str, value: Any) -> str:
    return f"--set {shlex.quote(f'{key}={value}')}" if isinstance(value, str | int | float) else f"--set {key}=..."


def _leaves(path: list[str], value: Any) -> Iterator[tuple[list[str], Any]]:
    """Every key below an unknown key, then the unknown key itself."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _leaves([*path, str(key)], below)
    yield path, value


def _renamed(model: type[BaseModel], path: Sequence[str]) -> tuple[str, str] | None:
    """Old and new dotted key, by the models along the path."""
    tables: list[str] = []
    at: Any = model
    for part in path:
        if not (isinstance(at, type) and issubclass(at, BaseModel)):
            break
        renamed: Mapping[str, str] = getattr(at, "RENAMED", {})
        old = ".".join(path[len(tables) :])
        if old in renamed:
            return ".".join(path), ".".join([*tables, renamed[old]])
        field = at.model_fields.get(part)
        at = None if field is None else field.annotation
        tables.append(part)
    return None
