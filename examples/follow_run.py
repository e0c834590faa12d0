"""Run from Python, and follow the run while it learns: ``python examples/follow_run.py [PRESET]``.

Any object with methods named like the events of a run can follow it (docs/hooks.md); nothing need be installed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pluggy

from nil_core import run
from nil_core.api import load_preset
from nil_core.hooks import Hooks

hookimpl = pluggy.HookimplMarker("nil")


class Follower:
    """Prints one line for each evaluation."""

    @hookimpl
    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """A row of ``metrics.jsonl`` was written."""
        if "eval.return" in values:
            print(f"after {step} steps: return {values['eval.return']:.3f}, {values['eval.speed']:.2f} m/s")


def main(preset: str = "quickstart") -> None:
    """Learn with a preset into ``runs/followed``."""
    hooks = Hooks()
    hooks.register(Follower(), "follower")
    result = run(load_preset(preset), out=Path("runs/followed"), hooks=hooks)
    trained, standing = (result.summary["policies"][name] for name in ("trained", "standing"))
    print(f"{result.folder}: return {trained['return']:.3f}, standing still gets {standing['return']:.3f}")


if __name__ == "__main__":  # simulation runs in processes that import this script
    main(*sys.argv[1:])
