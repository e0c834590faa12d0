"""Write the reference pages of this folder from the code they describe: ``python docs/generate.py``.

A page that no longer says what the code does fails ``tests/docs``.
"""

from __future__ import annotations

import inspect
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

from nil_core.baselines import RANDOM, ZERO
from nil_core.card import KINDS, ComponentCard
from nil_core.cli.main import app
from nil_core.config import RunConfig, flatten
from nil_core.hooks import GROUP as HOOKS
from nil_core.hooks import HookSpecs
from nil_core.interfaces import PROTOCOLS
from nil_core.presets import PRESETS

DOCS = Path(__file__).parent
ROOT = DOCS.parent
NOTE = "<!-- Written by docs/generate.py from docs/introductions and the code: change those, then run it. -->\n\n"


def configuration() -> str:
    """Every key of ``RunConfig``."""
    schema = RunConfig.model_json_schema()
    plain = {key: field for key, field in schema["properties"].items() if "$ref" not in field}
    parts = [
        _introduction("configuration"),
        "\n## The run\n\n",
        _options_table(plain),
        "\n## Components\n\n",
        _components(),
    ]
    for section, model in _sections(RunConfig):
        fields = {f"{section}.{k}": v for k, v in model.model_json_schema()["properties"].items() if "$ref" not in v}
        parts.append(f"\n## `[{section}]`\n\n{inspect.getdoc(model)}\n\n{_options_table(fields)}")
    return "".join([*parts, "\n## Presets\n\n", _presets()])


def plugins() -> str:
    """Every component of this repository, with its options."""
    cards = sorted(_cards(), key=lambda found: (KINDS.index(found[1].kind), found[0]))
    overview = [[f"`{card.kind}`", f"[`{name}`](#{card.kind}-{name})", card.summary] for name, card in cards]
    parts = [_introduction("plugins"), "\n", _table(["kind", "name", "what it is"], overview)]
    for name, card in cards:
        parts.append(f"\n## {card.kind} {name}\n\n{card.summary}\n\n")
        if card.capabilities:
            parts.append(f"Capabilities: {', '.join(f'`{c}`' for c in sorted(card.capabilities))}.\n")
        if card.license:
            parts.append(f"License of what it loads: {card.license}.\n")
        if card.price:
            parts.append(f"Price: {card.price}.\n")
        fields = {f"{card.kind}.{k}": v for k, v in card.config.model_json_schema().get("properties", {}).items()}
        parts.append(f"\n{_options_table(fields)}" if fields else "\nNo options.\n")
    return "".join(parts)


def hooks() -> str:
    """Every event of a run."""
    parts = [
        _introduction("hooks"),
        "\n## Events\n\n",
        f"{inspect.getdoc(HookSpecs)}\n".replace(":meth:`commands`", "`commands`"),
    ]
    for name, method in vars(HookSpecs).items():
        if callable(method):
            head, _, rest = inspect.cleandoc(method.__doc__ or "").partition("\n\n")
            parts.append(f"\n### `{name}{_signature(method)}`\n\n{_markdown(head)}\n")
            parts.append(f"\n{_markdown(_listed(rest))}\n" if rest else "")
    return "".join(parts)


def command_line() -> str:
    """Every command and option of ``nil``."""
    root = typer.main.get_command(app)
    parts = [_introduction("command_line")]
    for path, command in _commands(root, ["nil"]):
        rows = [_parameter(p) for p in command.params if "completion" not in p.name]
        parts.append(f"\n## {' '.join(path)}\n\n{command.help}\n")
        parts.append(f"\n{_table(['option', 'default', 'meaning'], rows)}" if rows else "")
    return "".join(parts)


PAGES: Mapping[str, Callable[[], str]] = {
    "configuration.md": configuration,
    "plugins.md": plugins,
    "hooks.md": hooks,
    "command_line.md": command_line,
}


def _introduction(page: str) -> str:
    """The beginning of a page, which a person wrote."""
    title, _, body = (DOCS / "introductions" / f"{page}.md").read_text(encoding="utf-8").partition("\n\n")
    return f"{title}\n\n{NOTE}{body}"


def _sections(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    for key, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel) and key not in KINDS:
            yield prefix + key, inner
            yield from _sections(inner, f"{prefix}{key}.")


def _components() -> str:
    rows = []
    for kind in KINDS:
        meaning = (inspect.getdoc(PROTOCOLS[kind]) or "").partition("\n")[0].partition(" Built as")[0]
        rows.append(
            [f"`{kind}`", "name, or table", f"`{json.dumps(getattr(RunConfig(), kind).name)}`", _markdown(meaning)]
        )
    return _table(["key", "type", "default", "meaning"], rows)


def _presets() -> str:
    rows = []
    for name, tree in PRESETS.items():
        changes = [f"`{key} = {json.dumps(value)}`" for key, value in flatten(tree).items()]
        rows.append([f"`{name}`", ", ".join(changes) or "the defaults above"])
    return _table(["preset", "sets"], rows)


def _cards() -> Iterator[tuple[str, ComponentCard]]:
    yield from (("zero", ZERO), ("random", RANDOM))
    for file in sorted(ROOT.glob("plugins/*/*/pyproject.toml")):
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        for group, names in project["entry-points"].items():
            for name, value in names.items() if group != HOOKS else ():
                module, _, attribute = value.partition(":")
                yield name, getattr(import_module(module), attribute)


def _options_table(fields: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for key, field in fields.items():
        default = field.get("default")
        shown = "none" if default is None else f"`{json.dumps(default)}`"
        rows.append([f"`{key}`", _type(field), shown, field.get("description", "")])
    return _table(["key", "type", "default", "meaning"], rows)


def _type(field: Mapping[str, Any]) -> str:
    """A JSON schema in a few words."""
    if "anyOf" in field:
        return ", or ".join("none" if each["type"] == "null" else _type(each) for each in field["anyOf"])
    if "enum" in field or "const" in field:
        return " or ".join(f"`{json.dumps(each)}`" for each in field.get("enum", [field.get("const")]))
    if field["type"] == "array":
        inner = field.get("items") or field["prefixItems"][0]
        return f"list of {'' if 'items' in field else str(field['minItems']) + ' '}{_type(inner)}"
    if field.get("format") == "path":
        return "path"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {field[bound]:g}" for bound, sign in signs.items() if bound in field]
    return " ".join([field["type"], ", ".join(bounds)]).strip()


def _signature(method: Callable[..., Any]) -> str:
    names = [name for name in inspect.signature(method).parameters if name != "self"]
    return f"({', '.join(names)})"


def _listed(sections: str) -> str:
    """``Args:`` and ``Returns:`` of a docstring as a list."""
    lines: list[str] = []
    section = ""
    for line in sections.splitlines():
        if line.endswith(":") and not line.startswith(" "):
            section = line
        elif line.startswith("    ") and not line.startswith("     "):
            name, colon, meaning = line.strip().partition(": ")
            is_argument = section == "Args:" and colon
            lines.append(f"- `{name}`: {meaning}" if is_argument else f"- {section[:-1].lower()} {line.strip()}")
        elif line.strip():
            lines[-1] += f" {line.strip()}"
    return "\n".join(lines)


def _markdown(text: str) -> str:
    """reStructuredText's literals and roles as Markdown's."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


def _commands(command: Any, path: list[str]) -> Iterator[tuple[list[str], Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, [*path, name])


def _parameter(parameter: Any) -> list[str]:
    if parameter.param_type_name == "argument":
        return [f"`{parameter.name.upper()}`", "required" if parameter.required else "", parameter.help or ""]
    flags = "`, `".join([*parameter.opts, *parameter.secondary_opts])
    value = getattr(parameter.default, "value", parameter.default)
    shown = "" if value is None or value is False else f"`{'--' + parameter.name if value is True else value}`"
    placeholder = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.rstrip('_').upper()}"
    return [f"`{flags}{placeholder}`", shown, parameter.help or ""]


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
