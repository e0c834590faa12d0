"""``nil run --preset smoke`` for every robot of the paper, and one of nobody's, as a stranger types it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from dm_control import suite

from nil_core.video.files import read_video

ANT = f"robot.path={Path(suite.__file__).parent / 'quadruped.xml'}"
BRIEF = ("--steps", "40", "--set", "training.log_every=20", "--set", "training.checkpoint_every=40")


@pytest.mark.parametrize("robot", ["h1", "g1", "talos", "a1", "mjcf"])
def test_smoke_run(robot: str, nil: Callable[..., Any], fast: Sequence[str], tmp_path: Path) -> None:
    options = ("--set", ANT) if robot == "mjcf" else ()
    outcome = nil("run", "--robot", robot, *fast, *BRIEF, *options, "--out", "run")
    assert outcome.code == 0, outcome.err
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["finished"] and summary["steps"] == 40
    first_baseline = list(summary["policies"].values())[1]
    assert first_baseline["falls"] == 0, "who does nothing keeps standing"
    video = read_video(tmp_path / "run" / "reference" / "video.mp4")
    assert len(video.frames) == 11 and (video.frames.max(axis=(1, 2, 3)) > 100).all()
    if robot == "h1":  # whose planned walk is at rest for longer
        assert "motion: the robot does not move in the 0.4 s of this video" in outcome.out
        assert "trusted" not in outcome.out
    shown = "feet toe_front_left" in outcome.out
    assert shown == (robot == "mjcf"), "what was derived is printed"
