"""The pages that describe options are what the code says now, and say something about each of them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

PAGES = ["configuration.md", "plugins.md", "hooks.md", "command_line.md"]


@pytest.fixture(scope="module")
def written(root: Path) -> dict[str, str]:
    """Page to what docs/generate.py would write now."""
    module: dict[str, Any] = runpy.run_path(str(root / "docs" / "generate.py"))
    return {name: page() for name, page in module["PAGES"].items()}


def test_every_generated_page_is_watched(written: dict[str, str]) -> None:
    assert sorted(written) == sorted(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_page_is_up_to_date(page: str, written: dict[str, str], root: Path) -> None:
    committed = (root / "docs" / page).read_text(encoding="utf-8")
    assert committed == written[page], f"docs/{page} is out of date: python docs/generate.py"


@pytest.mark.parametrize("page", PAGES)
def test_everything_has_a_meaning(page: str, written: dict[str, str]) -> None:
    rows = [line for line in written[page].splitlines() if line.startswith("| `")]
    assert not [row for row in rows if row.endswith("|  |")]
