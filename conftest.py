"""Settings for all tests, of the core and of plugins: hypothesis, and the order of files."""

from __future__ import annotations

import signal

import hypothesis
import pytest

# The same examples every time: a test that fails does so everywhere. On a busy machine a slow example is no failure.
BOUNDED = hypothesis.settings(deadline=None, database=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("nil", BOUNDED, derandomize=True, max_examples=40)
# Others every time: benchmarks/fuzz.py searches with it, and prints the seed that repeats what it found.
hypothesis.settings.register_profile("wide", BOUNDED, max_examples=400, print_blob=True)
hypothesis.settings.load_profile("nil")

# A script that starts the tests in the background lets them, and all processes that they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SLOW_FOLDERS = ("tests/docs", "tests/end_to_end")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest folders first, so that no process runs a long file alone at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(SLOW_FOLDERS))
