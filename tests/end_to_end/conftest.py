"""The command line as a user types it: in this process where that does, in one of its own where it must."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

FAST = ("--preset", "smoke", "--set", "simulation.workers=0", "--set", "training.eval_every=0")
"""Options of a run that is over in a second, once everything is imported."""


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Nothing comes from, and nothing goes to, the cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("NIL_CACHE", str(folder))
        patch.delenv("NIL_DEBUG", raising=False)
        yield folder


@pytest.fixture(scope="session")
def fast() -> Sequence[str]:
    """See :data:`FAST`."""
    return FAST
