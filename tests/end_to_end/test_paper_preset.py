"""The paper's settings, both versions: each of its parts by name, at a tiny size."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nil_core.reference.folder import load_reference

TINY = (
    "encoder.weights=random-tiny", "video.seconds=0.12", "environment.render_size=64", "simulation.workers=0",
    "agent.learning_starts=8", "agent.batch_size=8", "agent.critic_width=16", "agent.actor_width=16",
    "agent.buffer_size=100",
    "agent.replay_ratio=1", "training.log_every=8", "evaluation.episodes=1",
)  # fmt: skip


@pytest.mark.parametrize(("preset", "ticks", "best"), [("paper", 12, 1.0), ("paper-v1", 3, 0.0)])
def test_the_paper_runs_dry(preset: str, ticks: int, best: float, nil: Callable[..., Any], tmp_path: Path) -> None:
    sets = [part for setting in TINY for part in ("--set", setting)]
    drawn = ["--generator", "gait", "--segmenter", "sim_mask"]  # svd and sam2 see nothing with random weights
    outcome = nil("run", "--preset", preset, *drawn, *sets, "--steps", "24", "--out", "run")
    assert outcome.code == 0, outcome.err
    run = tmp_path / "run"
    parts = json.loads((run / "manifest.json").read_text())["components"]
    assert {kind: parts[kind]["name"] for kind in ("robot", "encoder", "agent")} == {
        "robot": "h1", "encoder": "timesformer", "agent": "bro",
    }  # fmt: skip
    assert load_reference(run / "reference").ticks == ticks
    seen = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert seen and all(row["similarity"] <= best + 1e-6 for row in seen if "similarity" in row)
    assert json.loads((run / "summary.json").read_text())["finished"]
