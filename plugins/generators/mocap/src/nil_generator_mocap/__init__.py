"""A recorded motion as the reference: the perfect video, an upper bound for generated ones."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from nil_core.api import Capability, ComponentCard, Options


class MocapOptions(Options):
    """Options of the generator ``mocap``."""

    path: Path | None = Field(None, description="LocoMuJoCo recording (npz). It must be given.")
    piece: int = Field(0, ge=0, description="Which piece of a recording with split_points, from 0.")
    start: float = Field(0.0, ge=0, description="Seconds to leave out at the beginning of the piece.")
    rate: float = Field(500.0, gt=0, description="Samples per second of a recording that does not say, Hz.")
    ramp: float = Field(0.8, ge=0, description="Seconds from the standing pose to the full motion; 0 starts in it.")


CARD = ComponentCard(
    kind="generator",
    summary="A recorded motion (LocoMuJoCo npz), played without physics: the perfect video.",
    target="nil_generator_mocap.generator:Mocap",
    config=MocapOptions,
    capabilities=frozenset({Capability.OFFLINE, Capability.NEEDS_SCENE}),
)

__all__ = ["CARD", "MocapOptions"]
