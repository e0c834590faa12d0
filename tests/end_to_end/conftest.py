"""The command line as a user types it: in this process where that does, in one of its own where it must."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest


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

FAST = ("--preset", "smoke", "--set", "simulation.workers=0", "--set", "training.eval_every=0")
"""Options of a run that is over in a second, once everything is imported."""


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Nothing comes from, and nothing goes to, the cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("NIL_CACHE", str(folder))
        patch.delenv("NIL_DEBUG", raising=False)
        yield folder


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


@pytest.fixture(scope="session")
def fast() -> Sequence[str]:
    """See :data:`FAST`."""
    return FAST
