"""Nested config tables: dotted keys, merging of layers, TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nil_core.card import KINDS
from nil_core.config.settings import RunConfig, Tree
from nil_core.errors import ConfigError


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Convert nested tables to dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def unflatten(flat: Mapping[str, Any]) -> Tree:
    """Convert dotted keys to nested tables; ``robot`` beside ``robot.key`` becomes ``robot.name``."""
    tree: Tree = {}
    for dotted, value in flat.items():
        *tables, key = dotted.split(".")
        node = tree
        for table in tables:
            below = node.get(table)
            node[table] = below if isinstance(below, dict) else {} if below is None else {"name": below}
            node = node[table]
        if isinstance(node.get(key), dict):
            node[key]["name"] = value
        else:
            node[key] = value
    return tree


def expand_names(layer: Tree) -> Tree:
    """Replace ``robot = "a1"`` by the table ``{"name": "a1"}``."""
    return {k: {"name": v} if k in KINDS and isinstance(v, str) else v for k, v in layer.items()}


def merge(tree: Tree, layer: Tree, origin: str, origins: dict[str, str], prefix: str = "") -> None:
    """Write the values of a layer into the tree, in place, and record their origin."""
    for key, value in layer.items():
        dotted = prefix + key
        if not isinstance(value, Mapping):
            tree[key] = value
            origins[dotted] = origin
            continue
        below = tree.get(key)
        if not isinstance(below, dict):
            below = tree[key] = {}
        if not prefix and key in KINDS and value.get("name", below.get("name")) != below.get("name"):
            below.clear()  # options of another component do not apply to this one
            for stale in [k for k in origins if k.startswith(dotted + ".")]:
                del origins[stale]
        if not prefix and key in KINDS and "name" not in value and "name" not in below:
            below["name"] = RunConfig.model_fields[key].default.name
        merge(below, dict(value), origin, origins, dotted + ".")


def read_toml(file: Path, what: str, example: str) -> Tree:
    """Read a TOML file.

    Args:
        file: to read.
        what: kind of file, for messages.
        example: where a valid one is shown, for messages.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the {what} {file}: {error.strerror or error}", "check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}", example) from None


def parse_set(text: str) -> tuple[str, Any]:
    """Split ``a.b=c`` into key and value; the value is parsed as TOML, else used as a plain string."""
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not all(key.split(".")):
        raise ConfigError(f"--set {text!r} is not of the form a.b=c", "for example: --set reward.iou=0")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value.strip()
