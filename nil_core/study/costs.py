"""What a study would cost: time, from the timings of earlier runs, before anything is started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from nil_core.config import RunConfig
from nil_core.errors import NilError
from nil_core.storage.os_errors import entries as listed
from nil_core.storage.run_folder import open_run


@dataclass(frozen=True)
class Timing:
    """Time of a finished run.

    Attributes:
        config: of the run.
        seconds_per_step: of learning, with evaluations on the way.
        evaluation_seconds: of the evaluation at the end.
    """

    config: RunConfig
    seconds_per_step: float
    evaluation_seconds: float


def timings(roots: Iterable[Path]) -> list[Timing]:
    """Timings of all finished runs in some folders; unreadable runs are left out."""
    found = (_timing(path) for root in roots for path in listed(root) if path.is_dir())
    return [timing for timing in found if timing is not None]


def run_folders(studies: Path) -> list[Path]:
    """The folders of all studies under a folder that contain runs."""
    return [path / "runs" for path in listed(studies)]


def seconds(config: RunConfig, known: Sequence[Timing]) -> float | None:
    """Expected seconds of a run, from the most similar finished runs; None if no run is similar.

    Args:
        config: of the run; its steps must be set.
        known: timings on this machine.
    """
    for alike in (_same_but_seed, _same_components):
        similar = [timing for timing in known if alike(timing.config) == alike(config)]
        if similar:
            step = median(timing.seconds_per_step for timing in similar)
            return step * config.total_steps + median(timing.evaluation_seconds for timing in similar)
    return None


def remaining(config: RunConfig, step: int, known: Sequence[Timing]) -> float | None:
    """Expected seconds of the rest of a run. Args: its config, steps done, timings."""
    whole = seconds(config, known)
    return None if whole is None else whole * max(0.0, 1 - step / config.total_steps)


def _timing(path: Path) -> Timing | None:
    try:
        folder, config = open_run(path)
        summary: Mapping[str, Any] = folder.read(folder.summary)
        step_seconds = float(summary["learning_seconds"]) / int(summary["steps"])
        return Timing(config, step_seconds, float(summary["evaluation_seconds"]))
    except (NilError, LookupError, TypeError, ValueError, ZeroDivisionError):
        return None


def _same_but_seed(config: RunConfig) -> dict[str, Any]:
    return config.model_copy(update={"seed": 0, "steps": None}).tree()


def _same_components(config: RunConfig) -> tuple[Any, ...]:
    names = (config.robot.name, config.encoder.name, config.agent.name, config.reward.name)
    return (*names, config.environment.render_size, config.environment.control_hz, config.simulation.num_envs)
