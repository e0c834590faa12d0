"""What a run logs is read back from a local store with MLflow's client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nil_core.api import write_video
from nil_core.config import RunConfig
from nil_core.hooks import Hooks
from nil_core.testing import check_light

CONFIG = RunConfig().model_dump(mode="json") | {"track": ["mlflow"]}
POLICIES = {"trained": {"return": 0.5, "return_ci95": [0.4, 0.6]}, "zero": {"return": 0.25, "return_ci95": None}}


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A new store; creating its tables takes a second."""
    from mlflow import MlflowClient

    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file.read_bytes()


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty_store: bytes) -> None:
    (tmp_path / "mlflow.db").write_bytes(empty_store)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)  # a local store writes artifacts here


@pytest.fixture
def hooks() -> Hooks:
    """Hooks with this tracker only."""
    from nil_tracker_mlflow import MLflow

    hooks = Hooks()
    hooks.register(MLflow(), "mlflow")
    return hooks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "walk"
    folder.mkdir()
    return folder


def stored_runs() -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient()
    experiment = client.get_experiment_by_name("nil")
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


def history(run: Any, name: str) -> list[tuple[int, float]]:
    from mlflow import MlflowClient

    return [(each.step, each.value) for each in MlflowClient().get_metric_history(run.info.run_id, name)]


def test_a_whole_run(hooks: Hooks, folder: Path) -> None:
    hooks.fire("run_started", folder=folder, config=CONFIG)
    (run,) = stored_runs()
    assert run.info.status == "RUNNING"
    hooks.fire("metrics", step=40, values={"reward": 0.5, "critic_loss": 0.25})
    hooks.fire("metrics", step=60, values={"eval.return": 1.5})
    write_video(folder / "comparison.mp4", np.zeros((5, 16, 32, 3), np.uint8), 25.0)
    hooks.fire("video_written", path=folder / "comparison.mp4", kind="comparison")
    Image.new("RGB", (20, 10), "red").save(folder / "curve.png")
    hooks.fire("run_finished", folder=folder, summary={"finished": True, "policies": POLICIES})
    (run,) = stored_runs()
    assert (run.info.run_name, run.info.status) == ("walk", "FINISHED")
    assert run.data.params["agent.name"] == "sac" and run.data.params["environment.observation.preview"] == "2"
    assert history(run, "reward") == [(40, 0.5)] and history(run, "critic_loss") == [(40, 0.25)]
    assert history(run, "eval/return") == [(60, 1.5)]
    artifacts = Path(run.info.artifact_uri.removeprefix("file://"))
    assert json.loads((artifacts / "summary.json").read_text())["policies"] == POLICIES
    for artifact, file in {"videos/comparison.mp4": "comparison.mp4", "curve.png": "curve.png"}.items():
        assert (artifacts / artifact).read_bytes() == (folder / file).read_bytes()


def test_a_resumed_run_is_the_same_run_of_mlflow(hooks: Hooks, folder: Path) -> None:
    for part, (state, status) in enumerate({"interrupted": "KILLED", "failed": "FAILED"}.items(), start=1):
        hooks.fire("run_started", folder=folder, config=CONFIG | {"steps": 80 * part})
        hooks.fire("metrics", step=40 * part, values={"reward": 0.5})
        hooks.fire("run_finished", folder=folder, summary={"finished": False, "state": state})
        (run,) = stored_runs()
        assert run.info.status == status
    assert history(run, "reward") == [(40, 0.5), (80, 0.5)]
    assert run.data.params["steps"] == "80"


def test_another_store_gets_another_run(hooks: Hooks, folder: Path) -> None:
    (folder / "mlflow").mkdir()
    (folder / "mlflow" / "run_id.txt").write_text("0" * 32)
    hooks.fire("run_started", folder=folder, config=CONFIG)
    (run,) = stored_runs()
    assert (folder / "mlflow" / "run_id.txt").read_text() == run.info.run_id


def test_runs_that_do_not_name_it_are_not_tracked(hooks: Hooks, folder: Path) -> None:
    hooks.fire("run_started", folder=folder, config=CONFIG | {"track": ["wandb"]})
    hooks.fire("metrics", step=40, values={"reward": 0.5})
    hooks.fire("video_written", path=folder / "comparison.mp4", kind="comparison")
    hooks.fire("run_finished", folder=folder, summary={"finished": True, "policies": POLICIES})
    assert (stored_runs(), list(folder.iterdir())) == ([], [])


def test_without_a_store_the_run_continues_untracked(
    hooks: Hooks, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    hooks.fire("run_started", folder=folder, config=CONFIG)
    hooks.fire("metrics", step=40, values={"reward": 0.5})
    (warning,) = (record.getMessage() for record in caplog.records if record.name == "nil.hooks")
    assert warning.startswith("mlflow is switched off: MlflowException")


def test_is_found_by_name_and_light_to_import() -> None:
    Hooks.load().require(["mlflow"])
    check_light("nil_tracker_mlflow")
