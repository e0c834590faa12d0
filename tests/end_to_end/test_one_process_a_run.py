"""Two processes never learn in one folder, and nothing else has to wait for the one that does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pluggy
import pytest

from nil_core.config import resolve
from nil_core.errors import RunError
from nil_core.experiment.evaluate import evaluate
from nil_core.experiment.run import run
from nil_core.hooks import Hooks
from nil_core.reporting import Silent
from nil_core.storage.lock import run_lock

HOLDER = """
import sys
from pathlib import Path
from nil_core.storage.lock import run_lock

with run_lock(Path(sys.argv[1])):
    print("here", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that learns in ``run``, as far as others can tell."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "here\n"
        yield process
        process.kill()


def test_the_lock_ends_with_its_process_however_that_ends(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(RunError) as caught, run_lock(tmp_path / "run"):
        raise AssertionError("two at once")
    assert caught.value.message == f"process {holder.pid} is learning in {tmp_path / 'run'}"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with (
        run_lock(tmp_path / "run"),
        pytest.raises(RunError, match=f"process {os.getpid()} "),
        run_lock(tmp_path / "run"),
    ):
        raise AssertionError("two at once")
    with run_lock(tmp_path / "run"):
        pass


def test_while_a_run_learns(nil_process: Callable[..., Any], fast: Sequence[str], tmp_path: Path) -> None:
    """Tried from an event of its own, when it surely learns."""
    met: list[Any] = []

    class Meanwhile:
        @pluggy.HookimplMarker("nil")
        def checkpoint_saved(self, folder: Path, step: int) -> None:
            if not met:
                met.append(nil_process("run", "--resume", "run", cwd=tmp_path))
                met.append(evaluate(tmp_path / "run", episodes=1, reporter=Silent()))

    hooks = Hooks()
    hooks.register(Meanwhile(), "meanwhile")
    sets = [text for text in fast if "=" in text]
    config = resolve("smoke", options={"agent": "random"}, sets=sets).config
    assert run(config, tmp_path / "run", reporter=Silent(), hooks=hooks).finished
    resumed, rows = met
    resumed.complains(f"process {os.getpid()} is learning in run", "Ctrl-C there saves first")
    assert set(rows) == {"trained", "standing", "base", "random"}


def test_a_folder_that_is_no_run_gets_no_lock(nil: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    nil("run", "--resume", "photos").complains("is no run folder")
    assert not list((tmp_path / "photos").iterdir())
