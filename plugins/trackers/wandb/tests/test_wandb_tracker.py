"""What a run tells is read back from the files that W&B's client keeps offline, for ``wandb sync``."""

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
    """No network, no account, no word: whoever runs the tests may have all three."""
    for name in ("WANDB_API_KEY", "WANDB_PROJECT", "WANDB_ENTITY", "WANDB_RUN_ID", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "settings"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def told() -> Hooks:
    """The tracker as it is installed, and what is told reaches it."""
    from nil_tracker_wandb import WeightsAndBiases

    hooks = Hooks()
    hooks.register(WeightsAndBiases(), "wandb")
    return hooks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "walk"
    folder.mkdir()
    return folder


class Kept:
    """One of the files, ``run-<id>.wandb``: records in LevelDB's log format, behind seven bytes of W&B's own."""

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
    block, at, pending = 32768, 7, b""
    while at + 7 <= len(content):
        if block - at % block < 7:
            at += block - at % block
            continue
        size, kind = struct.unpack("<4xHB", content[at : at + 7])
        pending += content[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield pending
            pending = b""


def kept(folder: Path) -> list[Kept]:
    """Every life of the run, in order, once W&B's own process has written its end."""
    deadline = time.monotonic() + 60
    while True:
        files = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))  # their names tell the time
        lives = [Kept(file) for file in files]
        if (lives and all(life.exit for life in lives)) or time.monotonic() > deadline:
            return lives
        time.sleep(0.1)


def test_a_whole_run(told: Hooks, folder: Path) -> None:
    told.fire("run_started", folder=folder, config=CONFIG)
    told.fire("metrics", step=40, values={"reward": 0.5, "critic_loss": 0.25})
    told.fire("metrics", step=60, values={"eval.return": 1.5})
    write_video(folder / "comparison.mp4", np.zeros((5, 16, 32, 3), np.uint8), 25.0)
    told.fire("video_written", path=folder / "comparison.mp4", kind="comparison")
    Image.new("RGB", (20, 10), "red").save(folder / "curve.png")
    told.fire("run_finished", folder=folder, summary={"finished": True, "policies": POLICIES})
    (life,) = kept(folder)
    assert (life.run.project, life.run.display_name, life.exit) == ("nil", "walk", [0])
    assert {name: life.config[name] for name in CONFIG} == CONFIG
    assert life.history("reward") == [(40, 0.5)]
    assert life.history("critic_loss") == [(40, 0.25)]
    assert life.history("eval/return") == [(60, 1.5)]
    assert life.summary["end/trained/return"] == 0.5 and life.summary["end/zero/falls"] == 0
    media = folder / "wandb" / "latest-run" / "files" / "media"
    (video,) = media.rglob("*.mp4")
    assert video.read_bytes() == (folder / "comparison.mp4").read_bytes()
    (curve,) = media.rglob("*.png")
    assert Image.open(curve).size == (20, 10)
    (table,) = (json.loads(file.read_text()) for file in media.rglob("*.table.json"))
    assert table["columns"] == ["policy", "return", "falls"]
    assert table["data"] == [["trained", 0.5, 1], ["zero", 0.25, 0]]


def test_a_resumed_run_is_the_same_run_of_wandb(told: Hooks, folder: Path) -> None:
    for life, (state, steps) in enumerate({"interrupted": 80, "failed": 160}.items(), start=1):
        told.fire("run_started", folder=folder, config=CONFIG | {"steps": steps})
        told.fire("metrics", step=40 * life, values={"reward": 0.5})
        told.fire("run_finished", folder=folder, summary={"finished": False, "state": state})
    first, second = kept(folder)
    assert first.run.run_id == second.run.run_id == (folder / "wandb" / "id.txt").read_text()
    assert (first.exit, second.exit) == ([255], [1])
    assert first.history("reward") == [(40, 0.5)] and second.history("reward") == [(80, 0.5)]
    assert second.config["steps"] == 160


def test_nobody_is_told_of_a_run_that_does_not_ask_for_it(told: Hooks, folder: Path) -> None:
    told.fire("run_started", folder=folder, config=CONFIG | {"track": ["mlflow"]})
    told.fire("metrics", step=40, values={"reward": 0.5})
    told.fire("video_written", path=folder / "comparison.mp4", kind="comparison")
    told.fire("run_finished", folder=folder, summary={"finished": True, "policies": POLICIES})
    assert list(folder.iterdir()) == []


def test_without_an_account_the_run_goes_on_untold(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own: W&B's client reads its variables once."""
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
print("the run goes on")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (0, "the run goes on\n")
    assert done.stderr.count("wandb is switched off: UsageError") == 1


def test_its_name_on_the_command_line_and_its_face() -> None:
    Hooks.load().require(["wandb"])
    check_light("nil_tracker_wandb")
