"""A procedural gait for any legged robot: planned footsteps and inverse kinematics, drawn by the simulator."""

from __future__ import annotations

from pydantic import Field

from nil_core.api import Capability, ComponentCard, Options


class GaitOptions(Options):
    """What is left unset follows from the robot's hip height L and the skill (see the README)."""

    speed: float | None = Field(None, gt=0, le=10, description="m/s of the root; the skill gives the direction")
    frequency: float | None = Field(None, gt=0, le=10, description="steps of each foot per second, Hz")
    duty: float | None = Field(None, ge=0.2, le=0.9, description="share of a cycle that each foot stays on the floor")
    lift: float | None = Field(None, gt=0, le=0.5, description="height of the swinging foot above the floor, m")
    ramp: float = Field(0.4, gt=0, le=5, description="time from rest to full speed, s; not of a planned walk")
    turn_rate: float | None = Field(None, gt=0, le=5, description="rad/s of a skill that turns, which says where to")
    plausible: bool = Field(
        True,
        description="on two legs, plan a walk that a body can follow: its weight shifts before the first step, and the "
        "zero moment point stays inside the standing sole; false: drawn without regard to balance",
    )
    shift: float | None = Field(
        None, ge=0, le=5, description="time of a planned walk in which the weight moves before the first step, s"
    )
    crouch: float | None = Field(
        None, ge=0, le=0.5, description="how much lower than in the stand the hips of a planned walk are, m"
    )


CARD = ComponentCard(
    kind="generator",
    summary="Procedural gait for any legged robot; on two legs planned so that a body can follow it.",
    target="nil_generator_gait.generator:Gait",
    config=GaitOptions,
    capabilities=frozenset({Capability.OFFLINE, Capability.NEEDS_SCENE}),
)

__all__ = ["CARD", "GaitOptions"]
