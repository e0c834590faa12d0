"""A recorded motion as the reference: the perfect video, an upper bound for generated ones."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from nil_core.api import Capability, ComponentCard, Options


class MocapOptions(Options):
    """Options of the generator ``mocap``."""

    path: Path | None = Field(None, description="A robot's recording: npz, npy, CSV or JSON. It must be given.")
    clip: str | None = Field(None, description="Which clip of a file that holds several, by name.")
    piece: int = Field(0, ge=0, description="Which piece of a recording with split_points, from 0.")
    start: float = Field(0.0, ge=0, description="Seconds to leave out at the beginning of the piece.")
    rate: float | None = Field(
        None, gt=0, description="Samples per second of a recording that does not say, Hz. Unset: as its writer does."
    )
    quaternion: Literal["auto", "wxyz", "xyzw"] = Field(
        "auto", description="Order of the root's quaternions. auto: with which the robot stands upright."
    )
    up: Literal["auto", "z", "y"] = Field("auto", description="The recording's vertical axis. auto: told likewise.")
    order: Literal["auto", "tree", "isaac", "sdk", "asap"] = Field(
        "auto", description="Order of joints without names, see the README. auto: its writer's, where the motion fits."
    )
    length_unit: Literal["auto", "m", "cm", "mm"] = Field(
        "auto", description="Unit of the root's position. auto: in which it is as high as the robot."
    )
    angle_unit: Literal["auto", "rad", "deg"] = Field(
        "auto", description="Unit of the joints. auto: in which they stay within their ranges."
    )
    ramp: float = Field(0.8, ge=0, description="Seconds from the standing pose to the full motion; 0 starts in it.")


CARD = ComponentCard(
    kind="generator",
    summary="A recorded motion (LAFAN1, BeyondMimic, GMR, LocoMuJoCo, ...), played without physics.",
    target="nil_generator_mocap.generator:Mocap",
    config=MocapOptions,
    capabilities=frozenset({Capability.OFFLINE, Capability.NEEDS_SCENE}),
)

__all__ = ["CARD", "MocapOptions"]
