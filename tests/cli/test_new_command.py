"""``nil plugins new``: what it makes keeps its contract, for every kind; what it cannot make it refuses in one line."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from nil_core.card import KINDS
from nil_core.cli.main import app
from nil_core.errors import ConfigError, MachineError


def nil_plugins(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["plugins", *arguments], env={"COLUMNS": "250"})


def register(folder: Path) -> Path:
    """What installing it would write, beside its source: gives the folder for ``sys.path``."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    source = folder / "src"
    info = source / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in names.items()) for group, names in groups
    ]
    (info / "entry_points.txt").write_text("".join(lines))
    return source


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, visible: Callable[[Path], Any]) -> Iterator[Path]:
    """A new plugin of every kind, all of one name, as if they were installed."""
    home = tmp_path_factory.mktemp("made")
    with ExitStack() as stack:
        for kind in KINDS:
            folder = home / "new" / f"nil-{kind}-my-2nd"
            result = nil_plugins("new", kind, "my-2nd", "--out", str(folder))
            assert result.exit_code == 0, result.output
            assert f"pip install -e {folder}" in result.output.splitlines()
            stack.enter_context(visible(register(folder)))
        yield home / "new"


def test_every_kind_keeps_its_contract(made: Path) -> None:
    result = nil_plugins("check", "--contract", "my-2nd")
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines()][1:]
    assert [row[0] for row in rows] == list(KINDS)
    assert all(" ".join(row[4:]) == "keeps its contract" for row in rows), result.output


def test_their_own_tests_pass_and_they_are_typed(made: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", str(made)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=made, env=environment(made))
    assert "11 passed" in done.stdout, done.stdout + done.stderr
    assert all((folder / "README.md").exists() and list(folder.glob("src/*/py.typed")) for folder in made.iterdir())


def environment(made: Path) -> dict[str, str]:
    import os

    sources = [str(folder / "src") for folder in made.iterdir()]
    return os.environ | {"PYTHONPATH": os.pathsep.join([*sources, *filter(None, sys.path)])}


@pytest.mark.parametrize(
    ("kind", "name", "says", "hint"),
    [
        ("encoder", "hog", "the encoder 'hog' is installed already, by nil-encoder-hog", "new encoder my-hog"),
        ("agents", "Bro_Fast", "'Bro_Fast' can be no name", "new agent my-bro-fast"),
        ("segmenter", "sim-mask", "the segmenter 'sim_mask' is installed already", "new segmenter my-sim-mask"),
        ("segmenter", "auto", "stands for the segmenter that suits", "new segmenter my-auto"),
        ("robot", "Unitree Go2", "'Unitree Go2' can be no name", "new robot unitree-go2"),
        ("robot", "2", "can be no name", "new robot my-2"),
        ("robot", "größe", "can be no name", "new robot gr-e"),
        ("robot", "", "can be no name", "new robot my-robot"),
        ("robot", "../go2", "can be no name", "new robot go2"),
        ("robot", "x" * 60, "40 at most", f"new robot {'x' * 37}"),
        ("robot", "robot", "says nothing of the robot", "new robot my-robot"),
        ("encoder", "nil-encoder-mosaic", "would be the distribution", "new encoder mosaic"),
        ("encodr", "mosaic", "did you mean 'encoder'", "kinds: generator"),
        ("hook", "mosaic", "of a hook, command or single term", "kinds: generator"),
    ],
)
def test_refusals(kind: str, name: str, says: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    error = nil_plugins("new", kind, "--", name).exception
    assert isinstance(error, ConfigError)
    assert says in error.message and hint in error.hint and "\n" not in error.message + error.hint
    assert not list(tmp_path.iterdir())
    if "plugins new" in error.hint:  # as it says
        assert nil_plugins(*error.hint.partition("nil plugins ")[2].split()).exit_code == 0


def test_nothing_is_written_over_and_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nil-robot-go2").mkdir()
    (tmp_path / "file").touch()
    for out in ([], ["--out", "."], ["--out", "file"]):
        error = nil_plugins("new", "robot", "go2", *out).exception
        assert isinstance(error, ConfigError) and "exists already" in error.message and "--out" in error.hint
    assert isinstance(nil_plugins("new", "robot", "go2", "--out", "file/below").exception, MachineError)
    assert (
        nil_plugins("new", "robot", "go2", "--out", "deep/er/my go2")
        .output.splitlines()[1]
        .endswith("'deep/er/my go2'")
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "file", "nil-robot-go2"]
