"""A run that was learned on a GPU, on a machine that has none: it can be looked at, exported and gone on with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from nil_core.config import Component, resolve
from nil_core.experiment.run import run as make_run
from nil_core.reporting import Silent
from nil_core.storage import digests
from nil_core.storage.run_folder import open_run


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As a run on CUDA leaves it: its config names the device, and its generators' states are CUDA's, of 16 bytes."""
    sets = ["simulation.workers=0", "training.eval_every=0", "encoder.weights=random-tiny", "agent.batch_size=16"]
    config = resolve("smoke", options={"encoder": "timesformer"}, sets=sets).config
    folder = make_run(config, tmp_path_factory.mktemp("runs") / "walk", reporter=Silent()).folder
    opened, config = open_run(folder)
    encoder = Component(**config.encoder.model_dump() | {"device": "cuda:0"})
    opened.write_config(config.model_copy(update={"device": "cuda", "encoder": encoder}))
    for state in folder.glob("checkpoints/*/agent/state.safetensors"):
        save_file(load_file(state) | {"generator/state": torch.zeros(16, dtype=torch.uint8)}, state)
        digests.record(state.parents[1], ["agent/state.safetensors"])
    return folder


@pytest.fixture
def run(learned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return Path(shutil.copytree(learned, tmp_path / "walk"))


@pytest.mark.parametrize(
    "command",
    [
        ["eval", "walk", "--episodes", "1"],
        ["play", "walk", "--size", "64", "--no-viewer"],
        ["export", "walk", "--format", "torchscript"],
        ["run", "--resume", "walk", "--steps", "180"],
    ],
)
def test_it_is_on_the_cpu_then_and_says_so(
    run: Path, nil: Callable[..., Any], caplog: pytest.LogCaptureFixture, command: list[str]
) -> None:
    outcome = nil(*command)
    assert outcome.code == 0, outcome.err
    for gpu, option in (("cuda", "device"), ("cuda:0", "encoder.device")):
        line = f"there is no GPU {gpu}: torch {torch.__version__} finds 0; {option} is cpu instead"
        assert [record.getMessage() for record in caplog.records].count(line) == 1
