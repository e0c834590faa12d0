"""A gait cycle found in a recording: a Fourier series by least squares, which repeats without end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nil_core.api import DataError, Doubles

HARMONICS = 5
FASTEST, SLOWEST = 0.2, 2.5  # s, of the cycles looked for
COARSE, FINE = 0.02, 0.001  # s, steps of the search
LONGEST = 1.25  # of the recording's length: retargeted clips often end just before their cycle does
WHOLE = 0.8  # share of the motion's variance that a cycle explains, and half of it does not
LEAST = 0.5  # below, the motion is no gait
SEARCH_RATE = 100.0  # Hz; enough for the harmonics looked at


@dataclass(frozen=True)
class Cycle:
    """A periodic motion of C channels.

    Attributes:
        period: s.
        coefficients: float64 (1 + 2 * HARMONICS, C): mean, then sine and cosine of each harmonic.
    """

    period: float
    coefficients: Doubles

    def __call__(self, times: Doubles) -> Doubles:
        """The channels (T, C) at any times (T,) s."""
        return _waves(times, self.period) @ self.coefficients


def find_period(angles: Doubles, rate: float) -> float:
    """The shortest period, s, that explains most of the motion.

    Args:
        angles: (n, J) rad.
        rate: Hz.

    Raises:
        DataError: too short, or not periodic.
    """
    stride = max(1, round(rate / SEARCH_RATE))
    angles, rate = angles[::stride], rate / stride
    length = len(angles) / rate
    periods = np.arange(FASTEST, min(SLOWEST, LONGEST * length), COARSE)
    if len(angles) < 4 * HARMONICS or len(periods) < 3:
        raise DataError(
            f"{length:.2g} s of a recording are too short to find a gait cycle in",
            "start earlier, for example --set generator.start=0, or take a longer recording",
        )
    explained = _explained(angles, rate, periods)
    inner = explained[1:-1]
    peaks = 1 + np.flatnonzero((inner >= explained[:-2]) & (inner >= explained[2:]) & (inner > WHOLE))
    best = int(peaks[0]) if len(peaks) else int(explained.argmax())
    if explained[best] < LEAST:
        raise DataError(
            "the recording is shorter than the video and has no gait cycle to repeat",
            f"make the video no longer than it: --set video.seconds={length:.2g}",
        )
    near = periods[best] + np.arange(-COARSE, COARSE, FINE)
    return float(near[_explained(angles, rate, near).argmax()])


def fit_cycle(channels: Doubles, rate: float, period: float) -> Cycle:
    """The cycle of a known period closest to channels (n, C)."""
    waves = _waves(np.arange(len(channels)) / rate, period)
    coefficients: Doubles = np.linalg.lstsq(waves, channels, rcond=None)[0].astype(float)
    return Cycle(period, coefficients)


def _explained(angles: Doubles, rate: float, periods: Doubles) -> Doubles:
    """Share of the variance that a cycle of each period explains."""
    times = np.arange(len(angles)) / rate
    variance = angles.var(axis=0).sum() + 1e-12
    errors = [np.square(fit_cycle(angles, rate, period)(times) - angles).mean(axis=0).sum() for period in periods]
    explained: Doubles = 1 - np.array(errors) / variance
    return explained


def _waves(times: Doubles, period: float) -> Doubles:
    phases = 2 * np.pi * np.arange(1, HARMONICS + 1) * times[:, None] / period
    return np.concatenate([np.ones((len(times), 1)), np.sin(phases), np.cos(phases)], axis=1)
