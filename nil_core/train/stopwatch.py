"""Where the time goes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up seconds by name, and steps, between two looks at it."""

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
        """Time that passed elsewhere."""
        self._seconds[name] += seconds

    def look(self) -> tuple[float, dict[str, float]]:
        """Seconds since the last look, and seconds by name; then begins anew."""
        now = time.perf_counter()
        result = now - self._began, dict(self._seconds)
        self._clear(now)
        return result
