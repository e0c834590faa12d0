"""Terms and whole rewards of other distributions: weighted, shown, logged, evaluated, and gone on with exactly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

TERMS = """
from nil_core.reward.terms import RewardTerm

def root_height(m):
    return m.root_position[..., 2]

def mask_size(rollout, reference):
    return rollout.mean(axis=(1, 2)) / reference.mean(axis=(1, 2))

HEIGHT = RewardTerm("root_height", "state", root_height, "H", "m", "height of the root")
SIZE = RewardTerm("mask_size", "masks", mask_size, "A", "share of the reference's", "size in the picture")
"""
CARD = """
from nil_core.api import ComponentCard, Options

class HeightOptions(Options):
    gain: float = 1.0

CARD = ComponentCard(
    kind="reward", summary="Height of the root.", target="tall_reward:HeightReward", config=HeightOptions
)
"""
REWARD = """
import numpy as np

from nil_core.interfaces import TermRow

class HeightReward:
    "Its pay grows from tick to tick, so that what is not saved would be missed."

    needs = frozenset()
    state_terms = ()

    def __init__(self, options, spec):
        self.gain, self.paid = options.gain, np.zeros(spec.num_envs)

    def rows(self):
        return [TermRow("H", "height so far", self.gain, "m")]

    def score(self, ticks):
        for tick in ticks:
            if not tick.begins:
                self.paid[tick.env] += self.gain * tick.qpos[2]
                tick.reward = tick.terms["height_so_far"] = float(self.paid[tick.env])

    def state(self):
        return {"paid": self.paid.copy()}

    def restore(self, state):
        self.paid = state["paid"].copy()
"""
ENTRY_POINTS = """
[nil.reward_terms]
root-height = tall_terms:HEIGHT
mask-size = tall_terms:SIZE

[nil.rewards]
tall = tall:CARD
"""
WEIGHTS = ("--set", "reward.terms.root_height=0.1", "--set", "reward.terms.mask_size=0.2")


@pytest.fixture(scope="module")
def site(fresh_site: Callable[[], Any]) -> Path:
    made = fresh_site()
    made.add("nil-reward-tall", ENTRY_POINTS, tall=CARD, tall_reward=REWARD, tall_terms=TERMS)
    folder: Path = made.install()
    return folder


@pytest.fixture
def installed(site: Path, visible: Callable[[Path], Any]) -> Iterator[None]:
    with visible(site):
        yield


def trained(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if row["kind"] == "train"]


def evaluated(nil: Callable[..., Any], folder: str, *sets: str) -> dict[str, Any]:
    outcome = nil("eval", folder, "--json", *(word for each in sets for word in ("--set", each)))
    assert outcome.code == 0, outcome.err
    rows: dict[str, Any] = json.loads(outcome.out)
    return rows


@pytest.mark.usefixtures("installed")
def test_terms_from_the_table_to_the_last_evaluation(
    nil: Callable[..., Any], fast: Sequence[str], tmp_path: Path
) -> None:
    outcome = nil("run", *fast, "--agent", "random", *WEIGHTS, "--out", "whole")
    assert outcome.code == 0, outcome.err
    lines = [line.split() for line in outcome.out.splitlines()]
    assert ["H", "height", "of", "the", "root", "0.1", "m"] in lines
    assert ["A", "size", "in", "the", "picture", "0.2", "share", "of", "the", "reference's"] in lines
    for row in trained(tmp_path / "whole"):
        assert 0.01 < row["root_height"] < 0.05, "weighted, as regularizers are"
        assert 0.3 < row["mask_size"] < 3, "as it comes, as similarities are"
    own = evaluated(nil, "whole")
    assert own == json.loads((tmp_path / "whole" / "summary.json").read_text())["policies"]
    more = evaluated(nil, "whole", "reward.terms.root_height=1.1")
    for policy, row in own.items():
        if row["length"] == 1:
            assert 0.1 < more[policy]["return"] - row["return"] < 0.5
        assert (more[policy]["similarity"], more[policy]["iou"]) == (row["similarity"], row["iou"])
    assert nil("run", *fast, "--agent", "random", *WEIGHTS, "--steps", "80", "--out", "parts").code == 0
    assert nil("run", "--resume", "parts", "--steps", "160").code == 0
    assert (tmp_path / "parts" / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()


@pytest.mark.usefixtures("installed")
def test_terms_are_computed_in_worker_processes_too(
    nil: Callable[..., Any], fast: Sequence[str], tmp_path: Path
) -> None:
    sets = [*WEIGHTS, "--set", "simulation.workers=1", "--set", "evaluation.video_metrics=false"]
    outcome = nil("run", *fast, "--agent", "random", *sets, "--steps", "40", "--out", "run")
    assert outcome.code == 0, outcome.err
    assert {"root_height", "mask_size"} <= set(trained(tmp_path / "run")[0])


def test_a_run_whose_term_is_gone_says_so(
    nil: Callable[..., Any], fast: Sequence[str], site: Path, visible: Callable[[Path], Any]
) -> None:
    with visible(site):
        assert nil("run", *fast, "--agent", "random", *WEIGHTS, "--steps", "8", "--out", "run").code == 0
    for command in (["eval", "run"], ["run", "--resume", "run", "--steps", "16"]):
        nil(*command).complains("no reward term is called 'root_height'", "leave out reward.terms.root_height")


@pytest.mark.usefixtures("installed")
def test_a_whole_reward(nil: Callable[..., Any], fast: Sequence[str], tmp_path: Path) -> None:
    """Learned from, evaluated beside the metrics that it does not know, and gone on with exactly."""
    chosen = ["--agent", "random", "--set", "reward=tall", "--set", "reward.gain=2"]
    outcome = nil("run", *fast, *chosen, "--out", "whole")
    assert outcome.code == 0, outcome.err
    assert ["H", "height", "so", "far", "2", "m"] in [line.split() for line in outcome.out.splitlines()]
    assert "S_M" not in outcome.out and "P_J" not in outcome.out
    rows = trained(tmp_path / "whole")
    assert all(row["reward"] == pytest.approx(row["height_so_far"]) for row in rows)
    assert rows[0]["reward"] < rows[-1]["reward"]
    assert not {"iou", "similarity", "torque"} & set(rows[0])
    summary = json.loads((tmp_path / "whole" / "summary.json").read_text())["policies"]
    assert {"iou", "similarity"} <= set(summary["trained"])
    assert evaluated(nil, "whole") == summary
    doubled = evaluated(nil, "whole", "reward.gain=4")
    assert doubled["trained"]["return"] == pytest.approx(2 * summary["trained"]["return"])
    assert nil("run", *fast, *chosen, "--steps", "80", "--out", "parts").code == 0
    assert nil("run", "--resume", "parts", "--steps", "160").code == 0
    assert (tmp_path / "parts" / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    assert "nil-reward-tall" in json.loads((tmp_path / "whole" / "manifest.json").read_text())["versions"]


def test_the_environments_own_reward_needs_no_picture(
    nil: Callable[..., Any], fast: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("drawn for nobody")

    monkeypatch.setattr("nil_core.sim.local_envs.Renderer", never)
    sets = ["--set", "reward=environment", "--set", "evaluation.video_metrics=false"]
    outcome = nil("run", *fast, "--agent", "random", *sets, "--out", "run")
    assert outcome.code == 0, outcome.err
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())["policies"]
    for row in summary.values():
        assert row["return"] == pytest.approx(row["environment_reward"], rel=1e-5)
