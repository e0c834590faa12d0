import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_core.api import DataError
from nil_generator_mocap.cycle import find_period, fit_cycle

RATE = 200.0


def legs(times: np.ndarray, period: float) -> np.ndarray:
    """Two legs half a cycle apart, each with a knee that bends in the swing only."""
    phases = 2 * np.pi * (times[:, None] / period + np.array([0.0, 0.5]))
    return np.concatenate([0.4 * np.sin(phases), 0.3 * np.cos(phases) + 0.2 * np.cos(2 * phases)], axis=1)


@settings(max_examples=15, deadline=None)
@given(period=st.floats(0.3, 1.5), cycles=st.floats(1.3, 3.0), noise=st.floats(0, 0.01), seed=st.integers(0, 99))
def test_the_cycle_of_a_gait_is_found_and_goes_on(period: float, cycles: float, noise: float, seed: int) -> None:
    times = np.arange(max(64, round(period * cycles * RATE))) / RATE
    rng = np.random.default_rng(seed)
    seen = legs(times, period) + noise * rng.standard_normal((len(times), 4))
    found = find_period(seen, RATE)
    assert found == pytest.approx(period, rel=0.01 + noise)
    cycle = fit_cycle(seen, RATE, found)
    np.testing.assert_allclose(cycle(times), legs(times, period), atol=0.01 + 4 * noise)
    np.testing.assert_allclose(cycle(times + 10 * found), cycle(times), atol=1e-9)


def test_a_cycle_that_is_not_quite_complete_is_completed() -> None:
    times = np.arange(186) / RATE
    found = find_period(legs(times, 1.0), RATE)
    assert found == pytest.approx(1.0, abs=2e-3)
    later = times + 0.5
    np.testing.assert_allclose(fit_cycle(legs(times, 1.0), RATE, found)(later), legs(later, 1.0), atol=0.01)


def test_neither_half_a_cycle_nor_two_are_taken_for_one() -> None:
    times = np.arange(600) / RATE
    assert find_period(legs(times, 1.0), RATE) == pytest.approx(1.0, abs=2e-3)


def test_what_is_no_gait_is_refused() -> None:
    walk = np.cumsum(np.random.default_rng(0).standard_normal((2000, 12)), axis=0)
    with pytest.raises(DataError, match="no gait cycle") as caught:
        find_period(walk, RATE)
    assert "video.seconds=10" in caught.value.hint


def test_what_is_too_short_is_refused() -> None:
    with pytest.raises(DataError, match=r"0\.15 s .* too short"):
        find_period(np.zeros((30, 4)), RATE)
