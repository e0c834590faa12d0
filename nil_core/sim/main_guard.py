"""Check that a script calls nil under ``if __name__ == "__main__":``.

Worker processes are spawned: each first imports its parent's script. A call of nil at the script's top level would then
be made again in every worker.
"""

from __future__ import annotations

import ast
import multiprocessing
import os
import pickletools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import spawn
from pathlib import Path
from types import FrameType, SimpleNamespace

from nil_core.errors import ConfigError

UNGUARDED_EXIT_CODE = 79
"""Exit code of a worker whose script calls nil during import; any number that nothing else uses."""

_WORKER_VARIABLE = "NIL_WORKER"  # environment variable
_GUARDS = ("__name__", "parent_process", "current_process")


class UnguardedScript(ConfigError):
    """The script calls nil when it is imported, and workers import it."""

    def __init__(self, where: str = "the script") -> None:
        super().__init__(
            f'{where} calls nil without `if __name__ == "__main__":`, and worker processes import the script',
            'put the call under `if __name__ == "__main__":`, or set simulation.workers to 0',
        )


def check_main_guard(workers: int) -> None:
    """Reject a call that workers would make again; in such a worker, exit.

    Args:
        workers: number of processes that the call will start; 0 needs no guard.

    Raises:
        UnguardedScript: with the line of the call.
    """
    starting = getattr(multiprocessing.current_process(), "_inheriting", False)  # it imports the parent's script
    if starting and os.environ.get(_WORKER_VARIABLE):
        _drain_parent_pipe()
        os._exit(UNGUARDED_EXIT_CODE)  # the script cannot catch this; the parent reports the error
    if workers and starting:
        raise UnguardedScript
    if workers and (where := _unguarded_line()):
        raise UnguardedScript(where)


@contextmanager
def marked_as_worker() -> Iterator[None]:
    """Mark processes that are started inside the block as workers of nil.

    Raises:
        UnguardedScript: as :func:`check_main_guard`.
    """
    check_main_guard(1)
    before = os.environ.get(_WORKER_VARIABLE)
    os.environ[_WORKER_VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_WORKER_VARIABLE]
        else:
            os.environ[_WORKER_VARIABLE] = before


def _drain_parent_pipe() -> None:
    """Read the pickled process object to its end; otherwise the parent would wait forever while writing it."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code is not spawn._main.__code__:
        frame = frame.f_back
    if frame is not None:
        pipe = frame.f_locals["from_parent"]
        for _ in pickletools.genops(SimpleNamespace(read=pipe.read, readline=pipe.readline)):  # type: ignore[arg-type]
            pass


def _unguarded_line() -> str:
    """``script.py, line 7,``: the running line of the main module, if it runs again on import."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if getattr(main, "__file__", None) is None or (spec is not None and spec.name.endswith("__main__")):
        return ""  # a console, a notebook, `python -m package`: no worker imports those
    frame = sys._getframe()
    while not (frame.f_globals is vars(main) and frame.f_code.co_name == "<module>"):
        if frame.f_back is None:
            return ""
        frame = frame.f_back
    file, line = Path(frame.f_code.co_filename), frame.f_lineno
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and node.lineno <= line <= (node.end_lineno or line):
            test = ast.unparse(node.test)
            if any(word in test for word in _GUARDS):
                return ""
    return f"{file.name}, line {line},"
