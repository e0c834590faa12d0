"""Procedural gait for any legged robot: planned footsteps and inverse kinematics, rendered by the simulator."""

from __future__ import annotations

from pydantic import Field

from nil_core.api import Capability, ComponentCard, Options


class GaitOptions(Options):
    """Options of the generator ``gait``; unset ones follow from the robot's hip height L and the skill (see README)."""

    speed: float | None = Field(None, gt=0, le=10, description="speed of the root, m/s; the skill gives the direction")
    frequency: float | None = Field(None, gt=0, le=10, description="gait cycles per second, Hz")
    duty: float | None = Field(None, ge=0.2, le=0.9, description="duty factor: stance fraction of the gait cycle")
    lift: float | None = Field(None, gt=0, le=0.5, description="height of the swing foot above the floor, m")
    ramp: float = Field(0.4, gt=0, le=5, description="time from rest to full speed, s; not used for a planned walk")
    turn_rate: float | None = Field(None, gt=0, le=5, description="turn rate, rad/s; the skill gives the direction")
    plausible: bool = Field(
        True,
        description="for bipeds, plan a dynamically feasible walk: the weight shifts before the first step, and the "
        "zero moment point stays inside the stance sole; false: plan without balance",
    )
    shift: float | None = Field(
        None, ge=0, le=5, description="time for the weight shift before the first step of a planned walk, s"
    )
    crouch: float | None = Field(
        None, ge=0, le=0.5, description="hip height of a planned walk below that of the standing pose, m"
    )


CARD = ComponentCard(
    kind="generator",
    summary="Procedural gait for any legged robot; dynamically feasible for bipeds.",
    target="nil_generator_gait.generator:Gait",
    config=GaitOptions,
    capabilities=frozenset({Capability.OFFLINE, Capability.NEEDS_SCENE}),
)

__all__ = ["CARD", "GaitOptions"]
