"""Prices in the documentation and on cards equal the estimates."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nil_core import registry
from nil_core.cli.main import app
from nil_core.testing.hosted import hosted_request

HOSTED = ("kling", "runway", "pika", "fal", "sora")
PAGE = Path(__file__).parents[2] / "docs" / "generators.md"
ROWS = [
    line.split("|")
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.count("|") == 8 and line.startswith(("| `kling`, ", "| `runway`, ", "| `pika`, "))
]


def estimated(generator: str, **options: str) -> float | None:
    amount: float | None = (
        registry.build("generator", generator, options).order(hosted_request(seconds=5)).estimate.amount
    )
    return amount


@pytest.mark.parametrize("row", [row for row in ROWS if "refused" not in row[7]], ids=lambda row: row[1].strip())
def test_the_page_has_the_prices_of_the_estimates(row: list[str]) -> None:
    generator, *models = re.findall(r"`([^`]+)`", row[1])
    standard, _, high = row[6].partition(",")
    for model in models:
        master = {"mode": "pro"} if model.endswith("-master") else {}
        assert estimated(generator, model=model, **master) == float(standard.split()[0])
        if high:
            options = {"mode": "pro"} if generator == "kling" else {"resolution": "1080p"}
            assert estimated(generator, model=model, **options) == float(high.split()[1])


def test_the_page_has_every_model() -> None:
    shown = {model for row in ROWS for model in re.findall(r"`([^`]+)`", row[1])[1:]}
    offered = set()
    for generator in ("kling", "runway", "pika"):
        schema = registry.card("generator", generator).config.model_json_schema()
        offered |= set(schema["properties"]["model"]["enum"])
    assert shown == offered | {"gen3a_turbo"}


@pytest.mark.parametrize("name", HOSTED)
def test_show_prints_price_license_and_options(name: str) -> None:
    output = CliRunner().invoke(app, ["plugins", "show", f"generator.{name}"], env={"COLUMNS": "200"}).output
    assert "price: " in output and "license of weights and data: " in output and "generator.deadline" in output
