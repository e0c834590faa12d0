"""Client for one run of MLflow."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

MAX_PARAMS = 100  # in one request to MLflow
STATES = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


class RunClient:
    """A run of MLflow whose id is stored in ``mlflow/run_id.txt`` in the run's folder.

    MLflow's environment variables (``MLFLOW_TRACKING_URI``, ``MLFLOW_EXPERIMENT_NAME`` ...) apply.

    Args:
        folder: of the run of nil.
        config: of the run, JSON values.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self._client = MlflowClient()
        file = folder / "mlflow" / "run_id.txt"
        if file.exists() and self._resume(file.read_text(encoding="utf-8")):
            return
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "nil")
        experiment = self._client.get_experiment_by_name(name)
        experiment_id = experiment.experiment_id if experiment else self._client.create_experiment(name)
        self._id = self._client.create_run(experiment_id, run_name=folder.resolve().name).info.run_id
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self._id, encoding="utf-8")
        for batch in _in_batches(list(_flat(config))):
            self._client.log_batch(self._id, params=[Param(key, str(value)) for key, value in batch])

    def _resume(self, run_id: str) -> bool:
        """Continue a run, if the store has it; the store may be another one than before."""
        try:
            self._client.update_run(run_id, status="RUNNING")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        self._id = run_id
        return True

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log numbers by name at a step."""
        now = round(1000 * time.time())
        self._client.log_batch(
            self._id, metrics=[Metric(name.replace(".", "/"), value, now, step) for name, value in values.items()]
        )

    def file(self, path: Path, artifact_folder: str = "") -> None:
        """Log a file as an artifact."""
        self._client.log_artifact(self._id, str(path), artifact_folder or None)

    def finish(self, folder: Path, summary: Mapping[str, Any]) -> None:
        """Log the final table and the curve, if there are any, and the final state."""
        if "policies" in summary:
            self._client.log_dict(self._id, dict(summary), "summary.json")
        if (folder / "curve.png").exists():
            self.file(folder / "curve.png")
        self._client.set_terminated(self._id, STATES[summary.get("state", "finished")])


def _in_batches(pairs: list[tuple[str, Any]]) -> Iterator[list[tuple[str, Any]]]:
    for first in range(0, len(pairs), MAX_PARAMS):
        yield pairs[first : first + MAX_PARAMS]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
