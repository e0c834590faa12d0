"""Time, waiting and chance, so that tests need none of them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

LONGEST = 30.0
"""Seconds between two questions, at most; a tenth of the shortest video's making, or so."""


@dataclass(frozen=True)
class Clock:
    """What the machinery knows of time.

    Attributes:
        now: seconds since 1970.
        sleep: waits for seconds.
        chance: uniform in [0, 1).
    """

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def backoff(self, first: float, factor: float = 2.0) -> Iterator[float]:
        """Pauses in seconds that grow from ``first`` to :data:`LONGEST`, each longer by a random part up to a half."""
        pause = min(first, LONGEST)
        while True:
            yield pause * (1 + 0.5 * self.chance())
            pause = min(pause * factor, LONGEST)
