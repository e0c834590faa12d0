"""An evaluation that ``nil eval --save`` keeps in a run folder, beside that of the run's end in ``summary.json``."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from nil_core.config import flatten
from nil_core.errors import ConfigError, RunError
from nil_core.evaluation.metrics import Scoring
from nil_core.experiment.experiment import Experiment
from nil_core.experiment.manifest import hardware, versions
from nil_core.experiment.open_run import OpenRun
from nil_core.storage.atomic import write_json
from nil_core.storage.run_folder import EVALUATION_FORMAT, RunFolder
from nil_core.train import checkpoint


def check_savable(run: OpenRun, which: str) -> None:
    """Refuse to save what reports do not compare.

    Args:
        run: that is evaluated.
        which: checkpoint.

    Raises:
        ConfigError: it is not the newest checkpoint.
        RunError: the run is not finished, or its last checkpoint is not there.
    """
    if which != "newest":
        raise ConfigError(
            "--save keeps the evaluation of the policy after the last step, which reports compare",
            f"leave out --save, or --checkpoint {which}",
        )
    folder, steps = run.folder, run.experiment.config.total_steps
    summary = folder.read(folder.summary)
    if summary.get("finished") is not True or summary.get("steps") != steps:
        raise RunError(
            f"{folder.path} is not finished, and reports compare finished runs",
            f"{folder.resume_command()}, or leave out --save",
        )
    newest = checkpoint.newest(folder.checkpoints)
    if newest.name != checkpoint.name_of(steps):
        raise RunError(f"{folder.path} lost its last checkpoint: the newest is {newest.name}", "leave out --save")


def conditions(
    experiment: Experiment, scoring: Scoring, episodes: int, seed: int, sets: Mapping[str, Any]
) -> dict[str, Any]:
    """What an evaluation depends on beside the run, as JSON values.

    Args:
        experiment: of the run, with the changes.
        scoring: of the evaluation.
        episodes: per policy.
        seed: of the start states.
        sets: the changes, dotted config key to value.
    """
    config = experiment.config
    settings = config.evaluation.model_copy(update={"episodes": episodes}).model_dump(mode="json")
    value = {
        "steps": config.total_steps,
        "seed": seed,
        "settings": flatten({"evaluation": settings}),
        "reward": {key: value for key, value in sets.items() if key.startswith("reward")},
        "recording_sha256": scoring.recording,
        "versions": versions(experiment.choice, config),
    }
    return dict(json.loads(json.dumps(value, default=str)))


def saved_rows(folder: RunFolder, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """The rows of the run's saved evaluation if that has the same :func:`conditions`, else None."""
    try:
        found = folder.read(folder.evaluation)
    except RunError:
        return None
    rows = found.get("policies")
    return rows if found.get("conditions") == wanted and isinstance(rows, dict) else None


def save(folder: RunFolder, wanted: Mapping[str, Any], found: Mapping[str, Any], seconds: float) -> None:
    """Write ``evaluation.json``.

    Args:
        folder: of the run.
        wanted: :func:`conditions`.
        found: :func:`nil_core.experiment.evaluator.results`.
        seconds: wall time.

    Raises:
        MachineError: it cannot be written.
    """
    head = {"nil": "evaluation", "format": EVALUATION_FORMAT, "at": time.strftime("%Y-%m-%d %H:%M:%S")}
    value = {**head, "conditions": wanted, "hardware": hardware(), **found, "evaluation_seconds": seconds}
    write_json(folder.evaluation, value)
