"""Run and study folders as nil leaves them, written without learning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nil_core.components import choose
from nil_core.config import RunConfig
from nil_core.experiment.manifest import manifest
from nil_core.storage import log
from nil_core.storage.atomic import write_json
from nil_core.storage.run_folder import RunFolder, create
from nil_core.study import Row, StudySpec
from nil_core.study.folder import StudyFolder
from nil_core.video.files import write_video


def write_run(path: Path, config: RunConfig, speed: float = 0.5, finished: bool = True, **more: Any) -> Path:
    """A run folder. ``more`` is laid over the trained policy's row of ``summary.json``."""
    steps = config.total_steps
    folder = create(path, config, manifest(config, choose(config)))
    for step in range(steps // 4, (steps if finished else steps // 2) + 1, steps // 4):
        share = step / steps
        terms = {"similarity": 0.9 * share, "iou": 0.8 * share, "torque": -0.001}
        log.append(folder.metrics, {"step": step, "kind": "train", "reward": 1.7 * share, **terms, "speed": speed})
        log.append(folder.metrics, {"step": step, "kind": "eval", "return": 1.6 * share, "iou": 0.7 * share})
        log.append(folder.timing, {"step": step, "seconds": 900.0})
    write_json(folder.reference / "provenance.json", {"video": {"key": "k", "facts": {}}})
    if not finished:
        folder.write_status("interrupted", steps // 2)
        return path
    folder.write_status("finished", steps)
    row = {
        "return": 1 + speed, "similarity": 0.9, "iou": 0.7, "speed": speed, "environment_reward": 0.8, "length": 1.0,
        "falls": 0, "episodes": config.evaluation.episodes, "return_std": 0.01, "return_ci95": [1.0, 2.0],
    }  # fmt: skip
    write_json(
        folder.summary,
        {
            "finished": True, "steps": steps, "policies": {"trained": row | more, "zero": row},
            "return_over_zero": speed, "reference_speed": 0.8, "learning_seconds": 3600.0, "evaluation_seconds": 36.0,
        },
    )  # fmt: skip
    frames = np.zeros((10, 64, 64, 3), np.uint8)
    frames[:, :, :, config.seed % 3] = np.arange(10, dtype=np.uint8)[:, None, None] * 25
    write_video(folder.videos / "comparison.mp4", frames, 25.0)
    return path


def write_saved(path: Path, episodes: int = 5, reward: dict[str, Any] | None = None, **more: Any) -> None:
    """What ``nil eval --save`` leaves in the folder of a finished run: the values of its end, and ``more``."""
    folder = RunFolder(path)
    summary = folder.read(folder.summary)
    row = summary["policies"]["trained"] | {"episodes": episodes, "seed": 0} | more
    mocap = {"evaluation.mocap": "/data/walk.npz"} if "mocap_loss_deg" in more else {"evaluation.mocap": None}
    settings = {"evaluation.episodes": episodes, "evaluation.falls": "robot", "evaluation.target_speed": None, **mocap}
    conditions = {"steps": summary["steps"], "seed": 0, "settings": settings, "reward": reward or {}}
    digest = {"recording_sha256": "1234567890abcdef"} if "mocap_loss_deg" in more else {}
    head = {"nil": "evaluation", "format": 1, "at": "2026-11-29 10:00:00"}
    known = {key: summary[key] for key in ("return_over_zero", "reference_speed") if key in summary}
    versions = {"versions": {"nil-core": "0.3.0"}}
    value = {**head, "conditions": conditions | versions, "policies": {"trained": row}, **digest, **known}
    write_json(folder.evaluation, value)


def config(seed: int = 0, **changes: Any) -> RunConfig:
    return RunConfig(**{"robot": "a1", "steps": 400, "seed": seed, **changes})


SPEC = StudySpec("question", (Row("all"), Row("no-iou", {"reward.iou": 0})), (0, 1, 2), {"robot": "a1", "steps": 400})


def write_study(path: Path, spec: StudySpec = SPEC) -> Path:
    """A study whose runs are all finished; the second row walks faster."""
    folder = StudyFolder(path)
    folder.write(spec, spec.entries())
    for entry in spec.entries():
        row = [each.name for each in spec.rows].index(entry.row)
        write_run(path / entry.run, entry.config, 0.4 + 0.1 * row + 0.02 * entry.seed)
    return path


def change_json(file: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    value = json.loads(file.read_text(encoding="utf-8"))
    change(value)
    write_json(file, value)


@pytest.fixture(scope="session")
def make() -> Any:
    """The functions of this module that write folders."""

    class Make:
        run = staticmethod(write_run)
        study = staticmethod(write_study)
        saved = staticmethod(write_saved)
        config = staticmethod(config)
        change = staticmethod(change_json)
        folder = RunFolder
        spec = SPEC

    return Make


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study folder of two rows and three seeds, all finished."""
    return write_study(tmp_path / "question-a1")
