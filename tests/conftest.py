"""Fixtures for the whole tree."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from nil_core import entry_points, plugin_source


@dataclass(frozen=True)
class Outcome:
    """What a command left in the terminal."""

    code: int
    out: str
    err: str

    def complains(self, message: str, remedy: str = "", code: int = 2) -> None:
        """Assert that it failed as match: one line what is wrong, one line what mends it, no traceback."""
        lines = self.err.splitlines()
        assert (self.code, len(lines)) == (code, 2), self.err
        assert lines[0].startswith("nil: ") and message in lines[0], self.err
        assert lines[1].startswith("     ") and lines[1].strip() and remedy in lines[1], self.err


Nil = Callable[..., Outcome]

Install = Callable[..., None]


class Site:
    """A folder of installed distributions, outside the environment that runs the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheels: list[Path] = []

    def add(self, distribution: str, entry_points: str, version: str = "1.0", **modules: str) -> None:
        """Write the wheel of a small distribution: its entry points, and module name to source."""
        stem = distribution.replace("-", "_")
        info = f"{stem}-{version}.dist-info"
        files = {f"{name}.py": source for name, source in modules.items()} | {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/entry_points.txt": entry_points,
        }
        files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.wheels.append(self.folder / f"{stem}-{version}-py3-none-any.whl")
        with zipfile.ZipFile(self.wheels[-1], "w") as wheel:
            for name, content in files.items():
                wheel.writestr(name, content)

    def install(self) -> Path:
        """Install every wheel, which is to unpack it; gives the folder for ``sys.path``."""
        target = self.folder / "site-packages"
        for path in self.wheels:
            with zipfile.ZipFile(path) as wheel:
                wheel.extractall(target)
        return target


@contextmanager
def on_path(folder: Path) -> Iterator[None]:
    """Make the distributions of a folder visible, and forget them and their modules again."""
    modules = set(sys.modules)
    sys.path.insert(0, str(folder))
    _forget_metadata()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        _forget_metadata()
        for name in set(sys.modules) - modules:
            if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


def _forget_metadata() -> None:
    entry_points._metadata.cache_clear()
    entry_points.entries.cache_clear()
    plugin_source.forget()


@pytest.fixture(scope="session")
def fresh_site(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Site]:
    """Makes an empty :class:`Site`."""
    return lambda: Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def visible() -> Callable[[Path], object]:
    """The context manager :func:`on_path`."""
    return on_path


@pytest.fixture
def nil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Nil:
    """Calls ``nil`` in this process and in an empty folder."""
    from nil_core.cli.main import main

    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["nil", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capfd.readouterr()
        return Outcome(int(left.value.code or 0), out, err)

    return call


@pytest.fixture(scope="session")
def nil_process() -> Nil:
    """Calls ``nil`` in a process of its own."""

    def call(*arguments: str | Path, cwd: Path, path: Sequence[Path] = (), **environment: str) -> Outcome:
        """``path``: folders of further installed distributions. Returns when the last worker has gone too."""
        search = os.pathsep.join([*map(str, path), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, "-m", "nil_core.cli.main", *map(str, arguments)],
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": search} | environment,
            capture_output=True,
            text=True,
            timeout=600,
            start_new_session=True,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return call
