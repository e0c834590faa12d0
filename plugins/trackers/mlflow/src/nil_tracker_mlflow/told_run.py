"""One run of MLflow, by its own client."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

MOST_PARAMS = 100  # that MLflow takes at once
STATES = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


class ToldRun:
    """A run of MLflow's whose id is kept in the folder's ``mlflow/run_id.txt``.

    The client's variables (``MLFLOW_TRACKING_URI``, ``MLFLOW_EXPERIMENT_NAME`` ...) hold as ever.

    Args:
        folder: of the run of nil's.
        config: of the run, JSON values.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self._client = MlflowClient()
        file = folder / "mlflow" / "run_id.txt"
        if file.exists() and self._goes_on(file.read_text(encoding="utf-8")):
            return
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "nil")
        experiment = self._client.get_experiment_by_name(name)
        number = experiment.experiment_id if experiment else self._client.create_experiment(name)
        self._id = self._client.create_run(number, run_name=folder.resolve().name).info.run_id
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self._id, encoding="utf-8")
        for some in _in_batches(list(_flat(config))):
            self._client.log_batch(self._id, params=[Param(key, str(value)) for key, value in some])

    def _goes_on(self, identity: str) -> bool:
        """Whether the store knows the run of an earlier life; it may be another store by now."""
        try:
            self._client.update_run(identity, status="RUNNING")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        self._id = identity
        return True

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers by name at a step."""
        now = round(1000 * time.time())
        self._client.log_batch(
            self._id, metrics=[Metric(name.replace(".", "/"), value, now, step) for name, value in values.items()]
        )

    def file(self, path: Path, place: str = "") -> None:
        """A file as an artifact, under a folder of them."""
        self._client.log_artifact(self._id, str(path), place or None)

    def finish(self, folder: Path, summary: Mapping[str, Any]) -> None:
        """The table at the end and the curve, where there are any, and how the run ended."""
        if "policies" in summary:
            self._client.log_dict(self._id, dict(summary), "summary.json")
        if (folder / "curve.png").exists():
            self.file(folder / "curve.png")
        self._client.set_terminated(self._id, STATES[summary.get("state", "finished")])


def _in_batches(pairs: list[tuple[str, Any]]) -> Iterator[list[tuple[str, Any]]]:
    for first in range(0, len(pairs), MOST_PARAMS):
        yield pairs[first : first + MOST_PARAMS]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
