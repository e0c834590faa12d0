"""Logs runs to MLflow: config, metrics, videos, the curve, the final table and the final state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from nil_tracker_mlflow.run_client import RunClient

hookimpl = pluggy.HookimplMarker("nil")
NAME = "mlflow"


class MLflow:
    """The hook ``mlflow``: active if the run's ``track`` names it."""

    def __init__(self) -> None:
        self._run: RunClient | None = None

    @hookimpl
    def run_started(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Start a run of MLflow, or continue that of the folder."""
        self._run = None
        if NAME in config["track"]:
            from nil_tracker_mlflow.run_client import RunClient

            self._run = RunClient(folder, config)

    @hookimpl
    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """A line of ``metrics.jsonl``."""
        if self._run is not None:
            self._run.metrics(step, values)

    @hookimpl
    def video_written(self, path: Path) -> None:
        """The mp4 file as an artifact."""
        if self._run is not None:
            self._run.file(path, "videos")

    @hookimpl
    def run_finished(self, folder: Path, summary: Mapping[str, Any]) -> None:
        """The final table and the curve, if there are any, and the final state."""
        if self._run is not None:
            self._run.finish(folder, summary)
            self._run = None
