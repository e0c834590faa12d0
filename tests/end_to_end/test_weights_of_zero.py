"""A weight of zero builds and computes nothing for its term: ablating it saves its cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

ENCODER = """
from nil_core.api import ComponentCard

CARD = ComponentCard(kind="encoder", summary="Must not be imported.", target="forbidden_encoder:Encoder")
"""
FORBIDDEN = "raise AssertionError('an encoder nobody needs was imported')\n"


@pytest.fixture
def never(fresh_site: Callable[[], Any]) -> Path:
    site = fresh_site()
    entry_points = "[nil.encoders]\nnever = never:CARD\n"
    site.add("nil-encoder-never", entry_points, never=ENCODER, forbidden_encoder=FORBIDDEN)
    folder: Path = site.install()
    return folder


def logged(folder: Path) -> set[str]:
    return {name for line in (folder / "metrics.jsonl").read_text().splitlines() for name in json.loads(line)}


def test_no_video_weight_no_encoder(
    nil: Callable[..., Any], fast: Sequence[str], visible: Callable[[Path], Any], never: Path, tmp_path: Path
) -> None:
    options = ["--agent", "random", "--encoder", "never"]
    with visible(never):
        outcome = nil("run", *fast, *options, "--set", "reward.video=0", "--out", "without")
        assert outcome.code == 0, outcome.err
        nil("run", *fast, *options, "--out", "with").complains("an encoder nobody needs was imported")
    assert "S_v" not in outcome.out and "S_M" in outcome.out
    assert "similarity" not in logged(tmp_path / "without")
    assert "iou" in logged(tmp_path / "without")
    assert not (tmp_path / "with").exists()


def test_no_mask_weight_no_masks_compared(
    nil: Callable[..., Any], fast: Sequence[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("nil_core.reward.imitation.iou", _never)
    outcome = nil("run", *fast, "--agent", "random", "--set", "reward.iou=0", "--out", "run")
    assert outcome.code == 0, outcome.err
    assert "S_M" not in outcome.out and "IoU" not in outcome.out
    assert "iou" not in logged(tmp_path / "run") and "similarity" in logged(tmp_path / "run")


def test_nothing_seen_nothing_rendered(
    nil: Callable[..., Any], fast: Sequence[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Stage 1 renders its reference; learning from the regularizers alone needs no picture."""
    monkeypatch.setattr("nil_core.sim.local_envs.Renderer", _never)
    sets = ["--set", "reward.video=0", "--set", "reward.iou=0"]
    outcome = nil("run", *fast, "--agent", "random", *sets, "--out", "run")
    assert outcome.code == 0, outcome.err
    assert not {"iou", "similarity"} & logged(tmp_path / "run")
    assert {"torque", "action", "velocity", "feet", "stability"} <= logged(tmp_path / "run")
    assert (tmp_path / "run" / "summary.json").exists() and not (tmp_path / "run" / "videos").exists()
    assert outcome.out.splitlines()[-1] == "no reward asked for pictures; to see it: nil play run"
    timing = [json.loads(line) for line in (tmp_path / "run" / "timing.jsonl").read_text().splitlines()]
    assert all(row["render"] < row["physics"] for row in timing)


@pytest.mark.parametrize(
    ("sets", "gone"),
    [
        (["reward.feet=0"], {"feet"}),
        (["reward.regularization=0"], {"torque", "action", "velocity", "feet", "stability"}),
    ],
)
def test_regularizers(
    nil: Callable[..., Any], fast: Sequence[str], tmp_path: Path, sets: Sequence[str], gone: set[str]
) -> None:
    options = ["--agent", "random", "--set", "reward.video=0"]
    outcome = nil("run", *fast, *options, *(word for each in sets for word in ("--set", each)), "--out", "run")
    assert outcome.code == 0, outcome.err
    assert not gone & logged(tmp_path / "run")
    assert {"torque", "action", "velocity", "feet", "stability"} - gone <= logged(tmp_path / "run")


def _never(*arguments: Any, **options: Any) -> Any:
    raise AssertionError("computed for a weight of zero")
