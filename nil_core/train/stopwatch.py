"""Stopwatch: time spent in each part of the training loop."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Accumulates seconds by name between two calls of :meth:`take`."""

    def __init__(self) -> None:
        self._clear(time.perf_counter())

    def _clear(self, now: float) -> None:
        self._began = now
        self._seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def timing(self, name: str) -> Iterator[None]:
        """Time a block."""
        began = time.perf_counter()
        yield
        self._seconds[name] += time.perf_counter() - began

    def add(self, name: str, seconds: float) -> None:
        """Add time measured elsewhere."""
        self._seconds[name] += seconds

    def take(self) -> tuple[float, dict[str, float]]:
        """Return the seconds since the last call, in total and by name, and reset."""
        now = time.perf_counter()
        result = now - self._began, dict(self._seconds)
        self._clear(now)
        return result
