"""``nil plugins`` among good, broken and rival distributions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from nil_core.cli.plugins import app
from nil_core.errors import PluginError

GOOD = """
from typing import Annotated, Literal
from pydantic import Field
from nil_core.api import Capability, ComponentCard, Options, Requirement

class SenseOptions(Options):
    patience: float = Field(1.0, description="Seconds.")

class EyeOptions(SenseOptions):
    mode: Literal["fast", "slow"] = Field("fast", description="How to look [bold].")
    sizes: tuple[Annotated[int, Field(gt=0)], ...] | None = Field(None, description="Sides in pixels.")
    path: str = Field(description="What to look at.")

CARD = ComponentCard(
    kind="encoder", summary="Sees [red]everything.", target="seeing:EyeOptions", config=EyeOptions,
    requires=(Requirement("seeing", "pip install seeing[all]"),), capabilities=frozenset({Capability.OFFLINE}),
    license="CC-BY-NC-4.0", prompt_template="Film [slowly] a {robot}.",
)
"""


@pytest.fixture(scope="module", autouse=True)
def site(fresh_site: Callable[[], Any], visible: Callable[[Path], Any]) -> Iterator[None]:
    site = fresh_site()
    site.add("nil-encoder-seeing", "[nil.encoders]\nseeing = seeing:CARD\n", version="4.5", seeing=GOOD)
    site.add("nil-encoder-blind", "[nil.encoders]\nblind = blind:CARD\n", blind="raise OSError('dark')")
    site.add("nil-twin-a", "[nil.robots]\ntwin = seeing:CARD\n")
    site.add("nil-twin-b", "[nil.robots]\nTwin = seeing:CARD\n")
    with visible(site.install()):
        yield


def nil_plugins(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


def rows(result: Result) -> list[list[str]]:
    return [line.split() for line in result.output.splitlines()]


def test_list_names_everything_and_imports_nothing() -> None:
    result = nil_plugins("list")
    assert ["encoder", "seeing", "nil-encoder-seeing", "4.5"] in rows(result)
    assert ["encoder", "blind", "nil-encoder-blind", "1.0"] in rows(result)
    assert ["robot", "twin", "nil-twin-a", "1.0", "claimed", "twice:", "broken"] in rows(result)
    assert not {"seeing", "blind"} & set(sys.modules)


def test_show_tells_all_of_the_card() -> None:
    result = nil_plugins("show", "Seeing")
    assert result.exit_code == 0
    for words in (
        "Sees [red]everything.",
        "offline",
        "CC-BY-NC-4.0",
        "prompt: Film [slowly] a {robot}.",
        "encoder.patience",
        "pip install seeing[all]",
        "'fast' | 'slow'",
        "How to look [bold].",
        "tuple[int, ...] | None",
        "required",
        "nil run --encoder seeing --set encoder.mode=...",
    ):
        assert words in result.output
    assert nil_plugins("show", "encoder.seeing").output == result.output
    assert "no options" in nil_plugins("show", "zero").output


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("seing", "did you mean 'seeing'"),
        ("robot.seeing", "nothing installed is called 'robot.seeing'"),
        ("blind", "OSError: dark"),
        ("twin", "2 claims"),
    ],
)
def test_show_of_what_cannot_be_shown(name: str, says: str) -> None:
    error = nil_plugins("show", name).exception
    assert isinstance(error, PluginError)
    assert says in error.message


def test_check_reports_all_and_fails_if_one_is_broken() -> None:
    result = nil_plugins("check")
    assert result.exit_code == 2
    assert ["encoder", "seeing", "nil-encoder-seeing", "4.5", "works"] in rows(result)
    assert ["encoder", "blind", "nil-encoder-blind", "1.0", "broken"] in rows(result)
    assert "encoder 'blind' (nil-encoder-blind 1.0): cannot load blind:CARD: OSError: dark" in result.output
    assert "pip uninstall nil-twin-a or pip uninstall nil-twin-b" in result.output
