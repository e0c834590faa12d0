"""Runs told to Weights & Biases: config, metrics, videos, the curve, the table at the end, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from nil_tracker_wandb.told_run import ToldRun

hookimpl = pluggy.HookimplMarker("nil")
NAME = "wandb"


class WeightsAndBiases:
    """The hook ``wandb``: silent unless the run's ``track`` names it."""

    def __init__(self) -> None:
        self._run: ToldRun | None = None

    @hookimpl
    def run_started(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Begin a run of W&B's, or go on with that of the folder."""
        self._run = None
        if NAME in config["track"]:
            from nil_tracker_wandb.told_run import ToldRun

            self._run = ToldRun(folder, config)

    @hookimpl
    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """A line of ``metrics.jsonl``."""
        if self._run is not None:
            self._run.metrics(step, values)

    @hookimpl
    def video_written(self, path: Path, kind: str) -> None:
        """The mp4 as it is."""
        if self._run is not None:
            self._run.video(path, kind)

    @hookimpl
    def run_finished(self, folder: Path, summary: Mapping[str, Any]) -> None:
        """The table and the curve, if it got so far; then the end."""
        if self._run is not None:
            self._run.finish(folder, summary)
            self._run = None
