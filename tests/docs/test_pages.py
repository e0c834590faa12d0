"""What pages point at is there, and what they say in numbers is what the code has."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from nil_core import registry
from nil_core.card import KINDS
from nil_core.reward.cards import ImitationOptions

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
MODULE = re.compile(r"`(nil_core/[\w/.]+)`")


def test_relative_links_lead_somewhere(pages: list[Path]) -> None:
    broken = []
    for page in pages:
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []


def test_pages_hold_no_path_of_one_machine(pages: list[Path]) -> None:
    for page in pages:
        assert not re.search(r"(?<![\w.])/(home|root|tmp|work|Users)/", page.read_text(encoding="utf-8")), page.name


def test_picture_is_small(root: Path) -> None:
    assert (root / "docs" / "pictures" / "reference_beside_rollout.png").stat().st_size < 200_000


@pytest.mark.parametrize("name", sorted(ImitationOptions.model_fields))
def test_weights_of_the_reward_are_those_of_the_code(name: str, root: Path) -> None:
    text = (root / "docs" / "reward.md").read_text(encoding="utf-8")
    default = ImitationOptions.model_fields[name].default
    if isinstance(default, float):
        row = next(line for line in text.splitlines() if line.startswith("|") and f"`reward.{name}`" in line)
        assert float(row.split("|")[3]) == default
    else:
        assert f"`reward.{name}" in text


def test_map_names_every_module(root: Path) -> None:
    text = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = {path.strip("/") for path in MODULE.findall(text)}
    assert [path for path in named if not (root / path).exists()] == []
    modules = [p for p in (root / "nil_core").iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()]
    missing = {f"nil_core/{p.name}" for p in modules} - named - {"nil_core/__init__.py"}
    assert missing == set()


def test_layers_are_those_that_are_checked(root: Path) -> None:
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    layers = "\n".join(settings["tool"]["importlinter"]["contracts"][0]["layers"])
    assert f"```\n{layers}\n```" in (root / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_option_stands_in_its_plugins_readme(root: Path) -> None:
    missing = []
    for kind in KINDS:
        for entry in registry.entries(kind):
            readme = root / "plugins" / f"{kind}s" / entry.name / "README.md"
            if readme.exists() and entry.distribution == f"nil-{kind}-{entry.name.replace('_', '-')}":
                text = readme.read_text(encoding="utf-8")
                options = registry.card(kind, entry.name).config.model_fields
                missing += [f"{readme.parent.name}: {o}" for o in options if not re.search(rf"`(\w+\.)?{o}\b", text)]
    assert missing == []
