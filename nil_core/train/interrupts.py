"""Signal handling: finish the current step, save a checkpoint, then stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def catch_interrupts(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` at the first Ctrl-C (or SIGTERM), to end between two steps; the second one has Python's effect."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop()
        for each, handler in before.items():
            signal.signal(each, handler)

    before: dict[signal.Signals, Any] = {}
    try:
        for each in (signal.SIGINT, signal.SIGTERM):
            before[each] = signal.signal(each, on_signal)
    except ValueError:  # only the main thread may set handlers
        before.clear()
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
