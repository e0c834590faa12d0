"""CPU time of each agent and each reward per environment step on the A1, as ratios to ``sac`` with NIL's reward.

Every row is a short run that simulates, scores and learns in one process. Counted are the CPU seconds of that process
between its first and its last row of metrics, so neither start-up nor evaluations. Agents learn from the first step on.
``bc`` makes its gradient steps in the first half of a run; its row is the mean over the whole run.

    python benchmarks/cost.py --methods sac drail
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pluggy

from nil_core import make_demonstrations, record, run
from nil_core.api import load_preset
from nil_core.hooks import Hooks
from nil_core.reporting import Silent

SAC = {"agent": "sac", "agent.critic_warmup": 0}
IMITATION = "sac"  # the row that the others are compared with


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes:
        changes: what a run of it sets.
        steps: of the run.
        every: steps between two rows of metrics.
        warmup: steps that are not counted.
    """

    changes: Mapping[str, Any]
    steps: int = 1500
    every: int = 250
    warmup: int = 0


METHODS = {
    IMITATION: Method(SAC),
    "bro": Method({"agent": "bro", "agent.learning_starts": 128}, 148, 4, 136),  # 120 gradient steps, slow ones
    "ppo": Method({"agent": "ppo"}, 2560, 256),  # nine whole updates
    "bc": Method({"agent": "bc", "agent.demonstrations": "acted"}, every=10),
    "sac, environment": Method(SAC | {"reward.name": "environment"}),
    "bco": Method({"agent": "bco", "agent.demonstrations": "shown"}),
    **{
        f"sac, {reward}": Method(SAC | {"reward.name": reward, "reward.demonstrations": "shown"})
        for reward in ("amp", "gaifo", "drail")
    },
}
"""Name to method; ``shown`` and ``acted`` stand for demonstrations without and with actions."""


@dataclass
class Clock:
    """Steps and CPU seconds of this process at each row of metrics."""

    rows: list[tuple[int, float]] = field(default_factory=list)

    @pluggy.HookimplMarker("nil")
    def metrics(self, step: int) -> None:
        """See :class:`nil_core.hooks.HookSpecs`."""
        self.rows.append((step, time.process_time()))

    def milliseconds(self, warmup: int) -> float:
        """Per environment step, from the first row after ``warmup`` steps to the last."""
        rows = [row for row in self.rows if row[0] >= warmup]
        (before, began), (after, ended) = rows[0], rows[-1]
        return 1000 * (ended - began) / (after - before)


def measure(method: Method, files: Mapping[str, Path], folder: Path, reference: Path | None) -> float:
    """Milliseconds of CPU per environment step of a run in a new folder."""
    changes = dict(method.changes)
    for key in [key for key in changes if key.endswith("demonstrations")]:
        changes[key] = str(files[changes[key]])
    config = load_preset(
        "quickstart",
        {
            "robot": "a1",
            "steps": method.steps,
            "simulation.workers": 0,
            "training.log_every": method.every,
            "training.eval_every": 0,
            "evaluation.episodes": 1,
            "evaluation.video_metrics": "reward.name" not in changes,
            **changes,
        },
    )
    clock, hooks = Clock(), Hooks()
    hooks.register(clock, "clock")
    run(config, folder, reference, Silent(), hooks)
    return clock.milliseconds(method.warmup)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    given = parser.parse_args()
    print("| method | CPU ms per environment step | ratio |\n| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as root:
        first = Path(root, "first")
        files = {"shown": Path(root, "shown.npz"), "acted": Path(root, "acted.npz")}
        unit = measure(METHODS[IMITATION], files, first, None)
        make_demonstrations([], files["shown"], load_preset("quickstart", {"robot": "a1"}), 10.0, 100.0, Silent())
        record(first, files["acted"], episodes=5, reporter=Silent())
        for number, name in enumerate([IMITATION, *(each for each in given.methods if each != IMITATION)]):
            cost = unit if name == IMITATION else measure(METHODS[name], files, Path(root, f"run{number}"), first)
            print(f"| {name} | {cost:.2f} | {cost / unit:.2f} |", flush=True)


if __name__ == "__main__":
    main()
