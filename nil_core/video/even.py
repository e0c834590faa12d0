"""From pictures with time stamps to frames at an even rate, each showing what a player shows then."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nil_core.types import Doubles

CLOCK = 1e-3
"""Seconds; the coarsest clock of the containers (Matroska's), so the error of a time stamp."""

JITTER = 0.25
"""Share of a frame's time by which time stamps may be off and still count as even."""


def even_frames(
    times: Doubles, end: float, declared: Sequence[float], start: float = 0.0
) -> tuple[npt.NDArray[np.int64], float]:
    """Which picture shows at each frame of an even rate: the rate at which pictures follow where nothing pauses.

    Args:
        times: float64 (T,), seconds, when each picture begins to show; they rise, T > 1.
        end: seconds, when the last one has been shown long enough.
        declared: frame rates that the file declares; one that fits is taken as it is.
        start: seconds, what is shown before is left out; a picture that began before it still shows.

    Returns:
        indices of the pictures, int64 (frames,), and frames per second.
    """
    rate = _rate(times, declared)
    begin = start if start - times[0] > 1 / rate else float(times[0])
    places = (times - begin) * rate
    places = np.rint(places - np.median(places - np.rint(places))).clip(0)
    count = max(int(places[-1]) + 1, round((end - begin) * rate))
    return np.searchsorted(places, np.arange(count), side="right") - 1, rate


def _rate(times: Doubles, declared: Sequence[float]) -> float:
    steps, span = np.diff(times), float(times[-1] - times[0])
    average = len(steps) / span
    for rate in (*declared, average):
        off = times - times[0] - np.arange(len(times)) / rate
        if abs(span - len(steps) / rate) < 2 * CLOCK and np.ptp(off) <= 2 * JITTER / rate:
            return rate
    rising = np.sort(steps[steps > 0])
    median = rising[(len(rising) - 1) // 2]
    usual = 1 / float(rising[np.abs(rising - median) < median / 2].mean())
    nearest = min(declared, key=lambda rate: abs(rate - usual), default=usual)
    return nearest if abs(nearest - usual) < 0.01 * usual else usual
