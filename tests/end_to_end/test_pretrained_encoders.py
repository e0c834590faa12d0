"""A run whose encoder is a real video transformer with random weights, and one whose weights are not here."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants


def read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def test_a_dry_run_runs_whole_and_says_what_it_is(
    nil: Callable[..., Any],
    fast: Sequence[str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NIL_CACHE", str(tmp_path / "cache"))  # or another test's embeddings are found there
    outcome = nil("run", *fast, "--encoder", "timesformer", "--set", "encoder.weights=random-tiny", "--out", "run")
    assert outcome.code == 0, outcome.err
    assert "moments of the video embedded: 11/11" in outcome.out
    run = tmp_path / "run"
    assert read(run / "summary.json")["weights"] == read(run / "manifest.json")["weights"] == "random-tiny"
    assert "RANDOM WEIGHTS: the encoder timesformer" in caplog.text
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert all(-1 <= line["similarity"] <= 1 for line in lines if "similarity" in line)
    assert any("similarity" in line for line in lines)
    longer = nil("run", "--resume", "run", "--steps", "200")
    assert longer.code == 0, longer.err
    assert read(run / "summary.json")["steps"] == 200


def test_weights_that_are_not_here_are_no_traceback(
    nil: Callable[..., Any], fast: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    outcome = nil("run", *fast, "--encoder", "timesformer", "--out", "run")
    outcome.complains("facebook/timesformer-base-finetuned-k400 (486 MB)", "nil models fetch facebook/timesformer-base")
    assert "folder" in outcome.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("part", [("--encoder", "timesformer", "--segmenter", "chroma"), ("--segmenter", "sam2")])
def test_weights_are_missed_before_a_video_is_made(
    part: tuple[str, ...], nil: Callable[..., Any], fast: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    outcome = nil("run", *fast, "--generator", "file", "--set", "generator.path=nowhere.mp4", *part)
    outcome.complains("on this machine", "nil models fetch")
