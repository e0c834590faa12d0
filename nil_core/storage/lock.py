"""One process at a run: two that learned in one folder would write over each other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from nil_core.errors import RunError
from nil_core.storage.os_errors import explain_os_errors

NAME = "lock"


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Be the only process that learns in a folder, which is made. The system lets go of it when the process dies.

    Raises:
        RunError: another process does; the message names it.
        MachineError: the folder cannot be written.
    """
    path = folder / NAME
    with ExitStack() as held:
        try:
            with explain_os_errors(path):
                folder.mkdir(parents=True, exist_ok=True)
                held.enter_context(FileLock(path, timeout=0))
        except Timeout:
            raise RunError(
                f"{_holder(path)} is learning in {folder}",
                "let it end, or stop it: Ctrl-C there saves first; nil eval, play and export work meanwhile",
            ) from None
        with suppress(OSError):  # the lock is the system's; the number is a courtesy, and Windows lets nobody write it
            path.write_text(f"{os.getpid()}\n", encoding="ascii")
        yield


def _holder(path: Path) -> str:
    with suppress(OSError, ValueError):
        return f"process {int(path.read_text(encoding='ascii'))}"
    return "another process"
