"""A weight of zero builds and computes nothing for its term: ablating it saves its cost.

Evaluation measures S_v and IoU whatever the weights are, unless it is told not to.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nil_core.experiment.open_run import open_experiment
from nil_core.reward.terms import IOU
from nil_core.storage.run_folder import open_run

ENCODER = """
from nil_core.api import ComponentCard

CARD = ComponentCard(kind="encoder", summary="Must not be imported.", target="forbidden_encoder:Encoder")
"""
FORBIDDEN = "raise AssertionError('an encoder nobody needs was imported')\n"
REGULARIZERS = {"torque", "action", "velocity", "feet", "stability"}
UNMEASURED = ("--set", "evaluation.video_metrics=false")
NO_PREVIEW = ("--set", "environment.observation.preview=0")


@pytest.fixture
def never(fresh_site: Callable[[], Any]) -> Path:
    site = fresh_site()
    entry_points = "[nil.encoders]\nnever = never:CARD\n"
    site.add("nil-encoder-never", entry_points, never=ENCODER, forbidden_encoder=FORBIDDEN)
    folder: Path = site.install()
    return folder


def logged(folder: Path) -> set[str]:
    """What was measured while learning."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {name for row in rows if row["kind"] == "train" for name in row}


def evaluated(folder: Path) -> dict[str, Any]:
    """The trained policy's row."""
    row: dict[str, Any] = json.loads((folder / "summary.json").read_text())["policies"]["trained"]
    return row


def test_no_video_weight_no_encoder(
    nil: Callable[..., Any], fast: Sequence[str], visible: Callable[[Path], Any], never: Path, tmp_path: Path
) -> None:
    """Not even to evaluate or to go on with the run. Reward, metrics and preview each ask for it."""
    options = ["--agent", "random", "--encoder", "never"]
    zero = ("--set", "reward.video=0")
    with visible(never):
        outcome = nil("run", *fast, *options, *zero, *UNMEASURED, *NO_PREVIEW, "--out", "without")
        assert outcome.code == 0, outcome.err
        assert nil("eval", "without").code == 0
        assert nil("run", "--resume", "without", "--steps", "168").code == 0
        for others in ([*UNMEASURED, *NO_PREVIEW], [*zero, *NO_PREVIEW], [*zero, *UNMEASURED]):
            asked = nil("run", *fast, *options, *others, "--out", "with")
            asked.complains("an encoder nobody needs was imported")
    assert "S_v" not in outcome.out and "S_M" in outcome.out
    assert "similarity" not in logged(tmp_path / "without") | set(evaluated(tmp_path / "without"))
    assert "iou" in logged(tmp_path / "without") and "iou" in evaluated(tmp_path / "without")
    assert not (tmp_path / "with").exists()


@pytest.mark.parametrize("measured", [True, False])
def test_no_mask_weight_no_masks_compared(
    nil: Callable[..., Any], fast: Sequence[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, measured: bool
) -> None:
    """While learning; in evaluation they are, unless that is off."""
    forbidden = replace(IOU, function=_never)
    monkeypatch.setattr("nil_core.reward.imitation.IOU", forbidden)
    if not measured:
        monkeypatch.setattr("nil_core.experiment.experiment.IOU", forbidden)
    options = ["--agent", "random", "--set", "reward.iou=0", *(() if measured else UNMEASURED)]
    outcome = nil("run", *fast, *options, "--out", "run")
    assert outcome.code == 0, outcome.err
    assert "S_M" not in outcome.out and bool(re.search(r"S_v +IoU", outcome.out)) == measured
    assert "iou" not in logged(tmp_path / "run") and "similarity" in logged(tmp_path / "run")
    assert ("iou" in evaluated(tmp_path / "run")) == measured


def test_nothing_seen_nothing_rendered(
    nil: Callable[..., Any], fast: Sequence[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Stage 1 renders its reference; learning from the regularizers alone needs no picture."""
    monkeypatch.setattr("nil_core.sim.local_envs.Renderer", _never)
    sets = ["--set", "reward.video=0", "--set", "reward.iou=0", *UNMEASURED]
    outcome = nil("run", *fast, "--agent", "random", *sets, "--out", "run")
    assert outcome.code == 0, outcome.err
    assert not {"iou", "similarity"} & (logged(tmp_path / "run") | set(evaluated(tmp_path / "run")))
    assert logged(tmp_path / "run") >= REGULARIZERS
    assert (tmp_path / "run" / "summary.json").exists() and not (tmp_path / "run" / "videos").exists()
    assert outcome.out.splitlines()[-1] == "no frames were rendered; to watch the policy: nil play run"
    assert_nothing_drawn(tmp_path / "run")


def assert_nothing_drawn(folder: Path) -> None:
    timing = [json.loads(line) for line in (folder / "timing.jsonl").read_text().splitlines()]
    assert timing and all(row["render"] < row["physics"] for row in timing)


def test_what_the_reward_does_not_see_is_measured_and_shown_at_the_end_alone(
    nil: Callable[..., Any], fast: Sequence[str], tmp_path: Path
) -> None:
    sets = ["--set", "reward.video=0", "--set", "reward.iou=0"]
    outcome = nil("run", *fast, "--agent", "random", *sets, "--out", "run")
    assert outcome.code == 0, outcome.err
    assert not {"iou", "similarity"} & logged(tmp_path / "run")
    row = evaluated(tmp_path / "run")
    assert 0 < row["iou"] < 1 and 0 < row["similarity"] <= 1
    assert (tmp_path / "run" / "videos" / "comparison.mp4").exists()
    assert_nothing_drawn(tmp_path / "run")


def test_the_preview_in_the_observation_is_the_same_whatever_the_reward_sees(
    nil: Callable[..., Any], fast: Sequence[str], tmp_path: Path
) -> None:
    short = [*fast, "--agent", "random", "--steps", "8"]
    for name, sets in {"with": (), "without": ("--set", "reward.video=0", *UNMEASURED)}.items():
        assert nil("run", *short, *sets, "--out", name).code == 0
    one, other = (
        open_experiment(*open_run(tmp_path / name), encoder=False).env_spec.preview for name in ("with", "without")
    )
    assert one.shape[1] > 0 and one.any() and np.array_equal(one, other)


def test_another_reward_in_an_evaluation_changes_the_return_alone(
    nil: Callable[..., Any], fast: Sequence[str], tmp_path: Path
) -> None:
    assert nil("run", *fast, "--agent", "random", "--steps", "8", "--out", "run").code == 0

    def rows(*sets: str, folder: str = "run") -> dict[str, Any]:
        outcome = nil("eval", folder, "--json", *(word for each in sets for word in ("--set", each)))
        assert outcome.code == 0, outcome.err
        found: dict[str, Any] = json.loads(outcome.out)
        return found

    own, other, blind = rows(), rows("reward.torque=5"), rows("reward.video=0", "reward.iou=0")
    for policy, row in own.items():
        assert other[policy]["return"] < row["return"] and blind[policy]["return"] < row["return"]
        for name in ("similarity", "iou", "speed", "length", "falls"):
            assert row[name] == other[policy][name] == blind[policy][name], name
    assert rows() == own, "the run is as it was"
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    nil("eval", "copy", "--set", "steps=3").complains("can only change the reward", "--set reward.torque")


@pytest.mark.parametrize(
    ("sets", "gone"),
    [
        (["reward.feet=0"], {"feet"}),
        (["reward.regularization=0"], REGULARIZERS),
    ],
)
def test_regularizers(
    nil: Callable[..., Any], fast: Sequence[str], tmp_path: Path, sets: Sequence[str], gone: set[str]
) -> None:
    options = ["--agent", "random", "--set", "reward.video=0"]
    outcome = nil("run", *fast, *options, *(word for each in sets for word in ("--set", each)), "--out", "run")
    assert outcome.code == 0, outcome.err
    assert not gone & logged(tmp_path / "run")
    assert logged(tmp_path / "run") >= REGULARIZERS - gone


def _never(*arguments: Any, **options: Any) -> Any:
    raise AssertionError("computed for a weight of zero")
