"""Ctrl-C that asks politely."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def catch_interrupts(stop: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) calls ``stop``, to end between two steps; the second is Python's own."""

    def notice(number: int, frame: FrameType | None) -> None:
        stop()
        for each, handler in before.items():
            signal.signal(each, handler)

    before: dict[signal.Signals, Any] = {}
    try:
        for each in (signal.SIGINT, signal.SIGTERM):
            before[each] = signal.signal(each, notice)
    except ValueError:  # not the main thread, which alone may set handlers
        before.clear()
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
