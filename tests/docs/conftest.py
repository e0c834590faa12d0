"""Reads the documentation as a person would: writes the files it shows, runs its commands, looks at what they print."""

from __future__ import annotations

import os
import re
import site
import subprocess
import sysconfig
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of code: its language, its file name where it has one, its text."""

    language: str
    title: str
    text: str


def blocks_of(page: Path) -> Iterator[Block]:
    for match in FENCE.finditer(page.read_text(encoding="utf-8")):
        yield Block(match[1], match[2] or "", match[3])


class Reader:
    """A person with an empty folder and an environment of their own, in which all of this one is installed too."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        environment = folder / ".venv"
        venv.create(environment, with_pip=False, symlinks=True)
        python = environment / "bin" / "python"
        purelib = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
        sites = {sysconfig.get_path("purelib"), *site.getsitepackages()}
        lines = [f"import site; site.addsitedir({each!r})\n" for each in sorted(sites)]
        (purelib / "outer.pth").write_text("".join(lines))
        offline = "--quiet --no-deps --no-index --no-build-isolation --disable-pip-version-check"
        for name, line in {
            "nil": '-m nil_core.cli.main "$@"',
            "pytest": '-m pytest "$@"',
            "pip": f'-m pip "$@" {offline}',
        }.items():
            script = environment / "bin" / name
            script.write_text(f"#!/bin/sh\nexec {python} {line}\n")
            script.chmod(0o755)
        self.env = os.environ | {
            "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "NIL_CACHE": str(cache),
            "COLUMNS": "120",
            "OMP_NUM_THREADS": "1",
        }

    def follow(self, page: Path) -> None:
        """Do what a page says, top to bottom: titled blocks are files, ``sh`` is run, ``text`` is what it printed."""
        printed = ""
        for block in blocks_of(page):
            if block.title:
                path = self.folder / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text)
            elif block.language == "sh":
                printed = self.run(block.text)
            elif block.language == "text":
                check_printed(block.text, printed)

    def run(self, commands: str) -> str:
        """What commands print, on both streams; they must succeed unless they say ``|| true`` themselves."""
        process = subprocess.run(
            ["sh", "-ec", commands], cwd=self.folder, env=self.env, text=True, stdout=-1, stderr=subprocess.STDOUT
        )
        assert process.returncode == 0, f"{commands}\n{process.stdout}"
        return process.stdout


def check_printed(shown: str, printed: str) -> None:
    """Every line shown was printed, in this order; ``...`` stands for anything, spaces count as one."""
    pattern = r"[\s\S]*?".join(
        r"\s+".join(re.escape(word).replace(r"\.\.\.", r"[\s\S]*?") for word in line.split())
        for line in shown.splitlines()
        if line.strip()
    )
    assert re.search(pattern, printed), f"the page shows\n{shown}\nand the command printed\n{printed}"


@pytest.fixture(scope="session")
def pages() -> list[Path]:
    """Every page that people read: those at the root, and of docs/, the examples and the plugins."""
    patterns = ["*.md", "docs/*.md", "docs/decisions/*.md", "examples/*.md", "plugins/*/*/README.md"]
    return [page for pattern in patterns for page in sorted(ROOT.glob(pattern))]


@pytest.fixture
def reader(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Someone who follows a page; what is cached is computed once for all."""
    return Reader(tmp_path, tmp_path_factory.getbasetemp() / "cache")


@pytest.fixture(scope="session")
def blocks() -> Callable[[Path], Iterator[Block]]:
    """The blocks of code of a page."""
    return blocks_of


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT
