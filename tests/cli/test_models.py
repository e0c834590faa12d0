"""``nil models``: what there is, under which license, what is here, and how to get the rest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from typer.testing import CliRunner, Result

from nil_core.cli.main import app
from nil_core.cli.models import _complete
from nil_core.errors import ConfigError, DataError
from nil_core.testing import HEAVY

PLUGIN = """
from nil_core.api import ComponentCard, Weights

CARD = ComponentCard(kind="encoder", summary="Sees.", target="weighty:Eye", weights=(
    Weights("base", "owner/model-base", "CC-BY-NC-4.0", 486, "the usual one"),
    Weights("large", "owner/model-large", "MIT", 1200),
))
"""


@pytest.fixture(scope="module", autouse=True)
def site(fresh_site: Callable[[], Any], visible: Callable[[Path], Any]) -> Iterator[None]:
    site = fresh_site()
    site.add("nil-encoder-weighty", "[nil.encoders]\nweighty = weighty:CARD\n", weighty=PLUGIN)
    site.add("nil-encoder-blind", "[nil.encoders]\nblind = blind:CARD\n", blind="raise OSError('dark')")
    with visible(site.install()):
        yield


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The model large lies in the hub's cache, base does not."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    root = tmp_path / "models--owner--model-large"
    snapshot = root / "snapshots" / ("0" * 40)
    for file, content in {root / "refs" / "main": "0" * 40, snapshot / "model.safetensors": "numbers"}.items():
        file.parent.mkdir(parents=True)
        file.write_text(content)
    return snapshot


def nil_models(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["models", *arguments], env={"COLUMNS": "200"})


def test_list_shows_license_size_and_what_is_downloaded() -> None:
    result = nil_models("list")
    rows = [" ".join(line.split()) for line in result.output.splitlines()]
    assert rows[rows.index("weighty.base encoder 486 MB not downloaded") + 1] == (
        "owner/model-base, CC-BY-NC-4.0: the usual one"
    )
    assert rows[rows.index("weighty.large encoder 1200 MB downloaded") + 1] == "owner/model-large, MIT"
    assert "may not be used commercially" in result.output and "random-tiny" in result.output


@pytest.mark.parametrize("name", ["weighty.large", "Weighty.Large", "encoder.weighty.large", "owner/model-large"])
def test_where_prints_the_folder(name: str, here: Path) -> None:
    assert nil_models("where", name).output.strip() == str(here)


def test_where_of_what_is_not_here_says_how_to_get_it() -> None:
    error = nil_models("where", "weighty.base").exception
    assert isinstance(error, DataError) and "nil models fetch owner/model-base" in error.hint


@pytest.mark.parametrize("command", ["where", "fetch"])
def test_a_misspelled_name_is_answered(command: str) -> None:
    error = nil_models(command, "weighty.lage").exception
    assert isinstance(error, ConfigError) and "did you mean 'weighty.large'" in error.message


def test_nothing_is_fetched_if_one_name_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    monkeypatch.setattr("nil_core.weights.fetch", lambda name, known: fetched.append(name))
    assert isinstance(nil_models("fetch", "weighty.base", "weighty.lage").exception, ConfigError)
    assert fetched == []
    result = nil_models("fetch", "weighty.base", "some/other")
    assert fetched == ["owner/model-base", "some/other"]
    assert "owner/model-base: CC-BY-NC-4.0, 486 MB" in result.output


def test_names_complete() -> None:
    assert _complete("weighty.") == ["weighty.base", "weighty.large"]
    assert _complete("owner/model-b") == ["owner/model-base"]


def test_it_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['nil', 'models', 'list']\n"
        "from nil_core.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"loaded = [m for m in {HEAVY!r} if m in sys.modules]\n"
        "assert not loaded, f'imported: {loaded}'"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
