"""Executor ``submitit``: studies on a Slurm cluster."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from nil_core.api import Options, Requirement
from nil_core.study import ExecutorCard


class SubmititOptions(Options):
    """Options of the executor ``submitit``."""

    cluster: Literal["slurm", "local"] | None = Field(
        None, description="slurm, or local: processes on this machine, to try it; unset: Slurm if it is there."
    )
    minutes: PositiveInt = Field(1440, description="Time limit of a job.")
    cpus: PositiveInt = Field(2, description="Cores of a run.")
    gpus: NonNegativeInt = Field(0, description="GPUs of a run.")
    memory_gb: PositiveFloat = Field(8.0, description="Memory of a run.")
    jobs: PositiveInt = Field(100, description="Jobs queued at once.")
    slurm: dict[str, Any] = Field({}, description="Other parameters of sbatch, with underscores: slurm.partition=gpu.")


CARD = ExecutorCard(
    summary="Slurm, through submitit.",
    target="nil_executor_submitit.executor:SubmititExecutor",
    config=SubmititOptions,
    requires=(Requirement("submitit", "pip install 'submitit>=1.5'"),),
)

__all__ = ["CARD", "SubmititOptions"]
