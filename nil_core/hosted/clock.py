"""Time, waiting and random numbers, which tests replace."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MAX_PAUSE = 30.0
"""Seconds between two requests about one task, at most; about a tenth of the shortest generation time."""


@dataclass(frozen=True)
class Clock:
    """The sources of time that hosted generators use.

    Attributes:
        now: returns seconds since 1970.
        sleep: waits for a number of seconds.
        uniform: returns a random number in [0, 1).
    """

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[], float] = random.random

    def backoff(self, first: float, factor: float = 2.0) -> Iterator[float]:
        """Exponential backoff with jitter.

        Pauses in seconds grow from ``first`` to :data:`MAX_PAUSE`; each is made longer by a random part of up to 50 %.
        """
        pause = min(first, MAX_PAUSE)
        while True:
            yield pause * (1 + 0.5 * self.uniform())
            pause = min(pause * factor, MAX_PAUSE)
