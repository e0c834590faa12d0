"""Resolution of a configuration: layers merged and validated, with the origin of each value."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from nil_core.config.settings import RunConfig, Tree
from nil_core.config.tree import expand_names, merge, parse_set, read_toml, unflatten
from nil_core.errors import ConfigError
from nil_core.presets import PRESETS
from nil_core.renamed_keys import renamed_key_error


@dataclass(frozen=True)
class Resolved:
    """A config, and the origin of every dotted key that was set explicitly."""

    config: RunConfig
    origins: Mapping[str, str]

    def origin(self, key: str) -> str:
        """Origin of the value of a dotted key."""
        return self.origins.get(key, "default")


def resolve(
    preset: str = "quickstart",
    file: Path | None = None,
    options: Mapping[str, Any] | None = None,
    sets: Iterable[str] = (),
) -> Resolved:
    """Merge the sources and validate the result.

    Args:
        preset: a key of :data:`nil_core.presets.PRESETS`.
        file: TOML, tables as in :class:`RunConfig`.
        options: dotted key to value, as from command-line options; None values are skipped.
        sets: ``a.b=c`` strings; the value is parsed as TOML, else used as a plain string.

    Raises:
        ConfigError: an unknown preset or key, an unreadable file, or an invalid value.
    """
    if preset not in PRESETS:
        raise ConfigError(f"there is no preset {preset!r}", f"presets: {', '.join(PRESETS)}")
    layers: list[tuple[str, Tree]] = [(f"preset {preset}", PRESETS[preset])]
    if file is not None:
        layers.append((str(file), read_toml(file, "config", "`nil config show --toml` prints a valid one")))
    given = {key: value for key, value in (options or {}).items() if value is not None}
    layers.append(("option", unflatten(given)))
    layers.extend(("--set", unflatten(dict([parse_set(text)]))) for text in sets)
    tree: Tree = {}
    origins: dict[str, str] = {}
    for origin, layer in layers:
        merge(tree, expand_names(layer), origin, origins)
    config = validate(tree)
    _check_base(config, origins)
    return Resolved(config, origins)


def preset_names() -> tuple[str, ...]:
    """Every preset that :func:`load_preset` takes; the first is the default."""
    return tuple(PRESETS)


def load_preset(name: str, changes: Mapping[str, Any] | None = None) -> RunConfig:
    """The config that a preset stands for: ``nil run --preset NAME`` as a value.

    Args:
        name: one of :func:`preset_names`.
        changes: dotted config key to value, laid over it: ``{"robot": "g1", "agent.gamma": 0.95}``.

    Raises:
        ConfigError: an unknown preset or key, or a value that does not fit.
    """
    return resolve(name, options=changes).config


def _check_base(config: RunConfig, origins: Mapping[str, str]) -> None:
    """Refuse ``motion.base`` under torque control if it was set explicitly: a torque cannot be added to an angle."""
    explicit = origins.get("motion.base") in ("option", "--set")
    if explicit and config.motion.base and config.environment.control == "torque":
        raise ConfigError(
            "motion.base needs PD control: a torque cannot be added to a joint angle",
            "--set environment.control=pd, or omit motion.base",
        )


def validate(tree: Mapping[str, Any]) -> RunConfig:
    """Make a config from nested plain values.

    Raises:
        ConfigError: with the key, what is wrong, and the nearest existing key.
    """
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        raise explain(error, RunConfig) from None


def with_changes(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    """Change values of a config, by dotted key, and validate it again.

    Raises:
        ConfigError: as :func:`validate`.
    """
    tree, origins = config.tree(), dict[str, str]()
    merge(tree, expand_names(unflatten(changes)), "--set", origins)
    return validate(tree)


def explain(error: ValidationError, model: type[BaseModel], noun: str = "config key") -> ConfigError:
    """pydantic's first error as a one-line message with a hint; renamed keys take precedence over other errors.

    Args:
        error: from validating ``model``.
        model: the root of the config.
        noun: what a key of it is called.
    """
    if (renamed := renamed_key_error(error, model)) is not None:
        return renamed
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(path)
    if first["type"] == "extra_forbidden":
        known = list(_section_at(model, path[:-1]).model_fields)
        near = difflib.get_close_matches(path[-1], known, n=1)
        hint = f"did you mean {'.'.join([*path[:-1], near[0]])}?" if near else f"keys: {', '.join(known)}"
        return ConfigError(f"there is no {noun} {key!r}", hint)
    message = first["msg"].removeprefix("Value error, ")
    got = f", got {first['input']!r}" if not isinstance(first["input"], dict | BaseModel) else ""
    return ConfigError(f"{key or 'config'}: {message[0].lower() + message[1:]}{got}", "see `nil config show`")


def _section_at(model: type[BaseModel], path: list[str]) -> type[BaseModel]:
    for part in path:
        annotation = model.model_fields[part].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        model = annotation
    return model
