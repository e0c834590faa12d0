"""A video from elsewhere, its robot tracked by SAM 2: a dry run on random weights, with both of its implementations."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from nil_core.config import resolve
from nil_core.experiment.generate import generate
from nil_core.reporting import Silent

pytest.importorskip("nil_segmenter_sam2")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = resolve("smoke", sets=["motion.source=none"]).config
    return generate(config, tmp_path_factory.mktemp("walk") / "walk", Silent()) / "video.mp4"


@pytest.mark.parametrize("backend", ["transformers", "sam2"])
def test_a_dry_run(
    backend: str,
    video: Path,
    nil: Callable[..., Any],
    fast: Sequence[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"the package {backend} is not installed")
    sets = [f"generator.path={video}", f"segmenter.backend={backend}", "segmenter.weights=random-tiny"]
    options = ["--generator", "file", "--segmenter", "sam2", "--agent", "zero"]
    options += [word for each in sets for word in ("--set", each)]

    first = nil("run", *fast, *options, "--out", "first")
    assert first.code == 0, first.err
    assert "RANDOM WEIGHTS: the segmenter sam2" in caplog.text
    assert "frames segmented: 11/11" in first.out and "masks: " in first.out
    provenance = json.loads((tmp_path / "first/reference/provenance.json").read_text())
    assert provenance["segmenter"]["weights"] == "random-tiny"
    assert 0 < provenance["masks"]["smallest"] <= provenance["masks"]["largest"] < 0.9

    monkeypatch.setattr("nil_segmenter_sam2.segmenter.load_model", lambda weights: pytest.fail("it was loaded again"))
    again = nil("run", *fast, *options, "--out", "again")
    assert again.code == 0, again.err
    assert "frames segmented" not in again.out, "one video is never tracked twice"
