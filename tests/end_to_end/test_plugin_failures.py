"""A plugin that fails in the middle of a run: two lines that name it, and the traceback for those who ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nil_core.errors import PluginError

PLUGINS = """
from nil_core.api import ComponentCard
from nil_core.baselines import ZeroAgent

CRASHING = ComponentCard(kind="generator", summary="Divides by zero.", target="failing:Crashing")
LEAVING = ComponentCard(kind="agent", summary="Leaves at its first update.", target="failing:Leaving")

class Crashing:
    def __init__(self, options): pass
    def generate(self, request, progress): return 1 / 0

class Leaving(ZeroAgent):
    def update(self, steps): raise SystemExit(3)
"""
ENTRY_POINTS = "[nil.generators]\ncrashing = failing:CRASHING\n[nil.agents]\nleaving = failing:LEAVING\n"


@pytest.fixture(scope="module")
def failing(fresh_site: Callable[[], Any]) -> Path:
    site = fresh_site()
    site.add("nil-failing", ENTRY_POINTS, version="2.0", failing=PLUGINS)
    folder: Path = site.install()
    return folder


def test_in_two_lines(
    nil: Callable[..., Any],
    fast: Sequence[str],
    visible: Callable[[Path], Any],
    failing: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with visible(failing):
        generator = ["--preset", "smoke", "--generator", "crashing", "--segmenter", "chroma", "--out", "reference"]
        says = "generator 'crashing' (nil-failing 2.0): generate() failed: ZeroDivisionError: division by zero"
        nil("generate", *generator).complains(says, "NIL_DEBUG=1 shows where; report it to the author of nil-failing")
        says = "agent 'leaving' (nil-failing 2.0): update() failed: SystemExit: 3"
        nil("run", *fast, "--agent", "leaving", "--out", "run").complains(says, "nil-failing")
        monkeypatch.setenv("NIL_DEBUG", "1")
        with pytest.raises(PluginError) as caught:
            nil("generate", *generator)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
