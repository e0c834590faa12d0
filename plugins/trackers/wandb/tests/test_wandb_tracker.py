"""What a run logs is read back from the files that W&B's client writes offline, for ``wandb sync``."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nil_core.api import write_video
from nil_core.hooks import Hooks
from nil_core.testing import check_light

CONFIG = {"skill": "walking", "steps": 80, "track": ["wandb"], "agent": {"name": "sac", "gamma": 0.9}}
POLICIES = {
    "trained": {"return": 0.5, "falls": 1, "return_ci95": [0.4, 0.6]},
    "zero": {"return": 0.25, "falls": 0, "return_ci95": None},
}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No network, no account and no output, whatever the environment has."""
    for name in ("WANDB_API_KEY", "WANDB_PROJECT", "WANDB_ENTITY", "WANDB_RUN_ID", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "settings"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def hooks() -> Hooks:
    """Hooks with this tracker only."""
    from nil_tracker_wandb import WeightsAndBiases

    hooks = Hooks()
    hooks.register(WeightsAndBiases(), "wandb")
    return hooks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "walk"
    folder.mkdir()
    return folder


class StoredRun:
    """The content of a file ``run-<id>.wandb``: records in LevelDB's log format, after a header of seven bytes."""

    def __init__(self, file: Path) -> None:
        from wandb.proto.wandb_internal_pb2 import Record

        self.records = []
        for content in _records(file.read_bytes()):
            record = Record()
            record.ParseFromString(content)
            self.records.append(record)
        self.run: Any = next((each.run for each in self.records if each.HasField("run")), None)
        self.exit = [each.exit.exit_code for each in self.records if each.HasField("exit")]

    @property
    def config(self) -> dict[str, Any]:
        return {item.key: json.loads(item.value_json) for item in self.run.config.update}

    def history(self, name: str) -> list[tuple[int, Any]]:
        rows = [
            {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in each.history.item}
            for each in self.records
            if each.HasField("history")
        ]
        return [(row["step"], row[name]) for row in rows if name in row]

    @property
    def summary(self) -> dict[str, Any]:
        updates = [item for each in self.records if each.HasField("summary") for item in each.summary.update]
        return {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in updates}


def _records(content: bytes) -> Iterator[bytes]:
    block, position, pending = 32768, 7, b""
    while position + 7 <= len(content):
        if block - position % block < 7:
            position += block - position % block
            continue
        size, kind = struct.unpack("<4xHB", content[position : position + 7])
        pending += content[position + 7 : position + 7 + size]
        position += 7 + size
        if kind in (1, 4):  # complete, or the last part
            yield pending
            pending = b""


def stored_runs(folder: Path) -> list[StoredRun]:
    """Every part of a resumed run, in order, after W&B's process has finished writing."""
    deadline = time.monotonic() + 300
    while True:
        files = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))  # their names have the time
        runs = [StoredRun(file) for file in files]
        if (runs and all(run.exit for run in runs)) or time.monotonic() > deadline:
            return runs
        time.sleep(0.1)


def test_a_whole_run(hooks: Hooks, folder: Path) -> None:
    hooks.fire("run_started", folder=folder, config=CONFIG)
    hooks.fire("metrics", step=40, values={"reward": 0.5, "critic_loss": 0.25})
    hooks.fire("metrics", step=60, values={"eval.return": 1.5})
    write_video(folder / "comparison.mp4", np.zeros((5, 16, 32, 3), np.uint8), 25.0)
    hooks.fire("video_written", path=folder / "comparison.mp4", kind="comparison")
    Image.new("RGB", (20, 10), "red").save(folder / "curve.png")
    hooks.fire("run_finished", folder=folder, summary={"finished": True, "policies": POLICIES})
    (run,) = stored_runs(folder)
    assert (run.run.project, run.run.display_name, run.exit) == ("nil", "walk", [0])
    assert {name: run.config[name] for name in CONFIG} == CONFIG
    assert run.history("reward") == [(40, 0.5)]
    assert run.history("critic_loss") == [(40, 0.25)]
    assert run.history("eval/return") == [(60, 1.5)]
    assert run.summary["end/trained/return"] == 0.5 and run.summary["end/zero/falls"] == 0
    media = folder / "wandb" / "latest-run" / "files" / "media"
    (video,) = media.rglob("*.mp4")
    assert video.read_bytes() == (folder / "comparison.mp4").read_bytes()
    (curve,) = media.rglob("*.png")
    assert Image.open(curve).size == (20, 10)
    (table,) = (json.loads(file.read_text()) for file in media.rglob("*.table.json"))
    assert table["columns"] == ["policy", "return", "falls"]
    assert table["data"] == [["trained", 0.5, 1], ["zero", 0.25, 0]]


def test_a_resumed_run_is_the_same_run_of_wandb(hooks: Hooks, folder: Path) -> None:
    for part, (state, steps) in enumerate({"interrupted": 80, "failed": 160}.items(), start=1):
        hooks.fire("run_started", folder=folder, config=CONFIG | {"steps": steps})
        hooks.fire("metrics", step=40 * part, values={"reward": 0.5})
        hooks.fire("run_finished", folder=folder, summary={"finished": False, "state": state})
    first, second = stored_runs(folder)
    assert first.run.run_id == second.run.run_id == (folder / "wandb" / "id.txt").read_text()
    assert (first.exit, second.exit) == ([255], [1])
    assert first.history("reward") == [(40, 0.5)] and second.history("reward") == [(80, 0.5)]
    assert second.config["steps"] == 160


def test_runs_that_do_not_name_it_are_not_tracked(hooks: Hooks, folder: Path) -> None:
    hooks.fire("run_started", folder=folder, config=CONFIG | {"track": ["mlflow"]})
    hooks.fire("metrics", step=40, values={"reward": 0.5})
    hooks.fire("video_written", path=folder / "comparison.mp4", kind="comparison")
    hooks.fire("run_finished", folder=folder, summary={"finished": True, "policies": POLICIES})
    assert list(folder.iterdir()) == []


def test_without_an_account_the_run_continues_untracked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a subprocess, since W&B's client reads its variables only once."""
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(folder / "none"))
    code = f"""
from pathlib import Path
from nil_core.hooks import Hooks
from nil_tracker_wandb import WeightsAndBiases
hooks = Hooks()
hooks.register(WeightsAndBiases(), "wandb")
hooks.fire("run_started", folder=Path({str(folder)!r}), config={CONFIG!r})
hooks.fire("metrics", step=40, values={{"reward": 0.5}})
print("the run continues")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (0, "the run continues\n")
    assert done.stderr.count("wandb is switched off: UsageError") == 1


def test_is_found_by_name_and_light_to_import() -> None:
    Hooks.load().require(["wandb"])
    check_light("nil_tracker_wandb")
