"""Every `nil` command shown anywhere is one the command line takes, with components and options that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, create_autospec

import pytest
import typer

import nil_core
from nil_core.cli.main import app
from nil_core.cli.options import resolved, split_sets
from nil_core.components import choose
from nil_core.experiment.learn import Result
from nil_core.study import read_spec

OF_RUN = ("generator", "encoder", "segmenter", "robot", "agent", "reward", "skill", "prompt", "seed", "steps")
OF_THE_TUTORIAL = (
    "mosaic", "mosaik", "squat", "brightness", "foot-height", "go2", "palette", "bandit", "blindfold",
)  # fmt: skip
COMMANDS_OF_THE_TUTORIAL = ("nil evaluations",)


def shown_commands(pages: list[Path], blocks: Callable[[Path], Iterator[Any]]) -> Iterator[str]:
    for page in pages:
        for block in blocks(page):
            if block.language == "sh" or not block.language:
                shown = (line for line in block.text.splitlines() if line.startswith("nil "))
                yield from (line for line in shown if not line.startswith(COMMANDS_OF_THE_TUTORIAL))


def parsed(line: str) -> tuple[str, dict[str, Any]]:
    """The command's name and what its parameters were given; raises what the command line would."""
    words = shlex.split(line.partition(" > ")[0].partition(" || ")[0], comments=True)[1:]
    command, path = typer.main.get_command(app), ""
    while hasattr(command, "commands"):
        name = words.pop(0)
        command, path = command.commands[name], f"{path} {name}"
    return path.strip(), command.make_context(path, words).params


def test_commands_can_be_typed(pages: list[Path], blocks: Callable[[Path], Iterator[Any]], root: Path) -> None:
    lines = list(shown_commands(pages, blocks))
    assert len(lines) > 20
    for line in lines:
        name, given = parsed(line)
        foreign = any(word in line for word in OF_THE_TUTORIAL)  # the walkthrough runs those
        if name in ("run", "generate", "config show") and not given.get("resume") and not foreign:
            file = None if given["config"] == Path("run.toml") else given["config"]
            options = {key: given[key] for key in OF_RUN if key in given}
            names = (options.pop("generator") or "").split(",")
            for generator, sets in split_sets(names, given["set_"] or []).items() if len(names) > 1 else ():
                choose(resolved(given["preset"], file, sets, generator=generator, **options).config)
            if len(names) == 1:
                choose(resolved(given["preset"], file, given["set_"], generator=names[0] or None, **options).config)


def test_config_files_are_configs(pages: list[Path], blocks: Callable[[Path], Iterator[Any]], tmp_path: Path) -> None:
    file, shown = tmp_path / "run.toml", [block for page in pages for block in blocks(page) if block.language == "toml"]
    files = [block.text for block in shown if "[project" not in block.text]
    assert len(files) > 1
    for text in files:
        file.write_text(text, encoding="utf-8")
        if "[[rows]]" in text:
            assert read_spec(file).entries()
        else:
            choose(resolved(None, file, None).config)


def test_python_of_the_readme_calls_what_exists(
    root: Path, blocks: Callable[[Path], Iterator[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = next(block.text for block in blocks(root / "README.md") if block.language == "python")
    calls = {name: create_autospec(getattr(nil_core, name)) for name in ("run", "evaluate")}
    calls["run"].return_value = MagicMock(spec=Result(Path("x"), True, {}))
    calls["evaluate"].return_value = {"trained": {"speed": 0.5}}
    for name, call in calls.items():
        monkeypatch.setattr(nil_core, name, call, raising=False)
    exec(compile(source, "README.md", "exec"), {"__name__": "__main__"})
    assert all(call.call_count == 1 for call in calls.values())
    choose(calls["run"].call_args.args[0])


def test_imports_of_the_readme_are_callable(root: Path, blocks: Callable[[Path], Iterator[Any]]) -> None:
    """In a process of its own: a submodule of the same name would take a function's place at the first import."""
    source = next(block.text for block in blocks(root / "README.md") if block.language == "python")
    line = next(line for line in source.splitlines() if line.startswith("from nil_core import "))
    names = ", ".join(re.findall(r"\w+", line)[3:])
    subprocess.run([sys.executable, "-c", f"{line}; assert all(map(callable, ({names})))"], check=True)
