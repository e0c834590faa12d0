"""Executor ``ray``: studies on a Ray cluster, or on Ray on this machine."""

from __future__ import annotations

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from nil_core.api import Options, Requirement
from nil_core.study import ExecutorCard


class RayOptions(Options):
    """Options of the executor ``ray``."""

    address: str | None = Field(
        None, description="Of the cluster; unset: RAY_ADDRESS, else this machine's cluster, else a new Ray here."
    )
    cpus: PositiveFloat = Field(2.0, description="Cores of a run.")
    gpus: NonNegativeFloat = Field(0.0, description="GPUs of a run; fractions share a GPU.")
    jobs: PositiveInt = Field(1000, description="Tasks submitted at once; Ray queues those that do not fit.")
    send: bool = Field(False, description="Send runs to machines that do not see the study folder, and back.")


CARD = ExecutorCard(
    summary="Ray: a cluster, or this machine.",
    target="nil_executor_ray.executor:RayExecutor",
    config=RayOptions,
    requires=(Requirement("ray", "pip install 'ray>=2.40'"),),
)

__all__ = ["CARD", "RayOptions"]
