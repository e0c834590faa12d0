"""Fixtures for the whole tree."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nil_core import entry_points, plugin_source

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
