"""Unitree A1 for nil: a quadruped of 12 joints and 13.7 kg."""

from __future__ import annotations

from pydantic import Field

from nil_core.api import Capability, ComponentCard, Options, Requirement


class A1Options(Options):
    """Options of the robot ``a1``."""

    self_collision: bool = Field(
        default=False,
        description="Let the robot's links collide with each other; off, they meet the floor only, which is faster.",
    )


CARD = ComponentCard(
    kind="robot",
    summary="Unitree A1, a quadruped (12 joints, 13.7 kg).",
    target="nil_robot_a1.quadruped:A1",
    config=A1Options,
    requires=(
        Requirement("mujoco", "pip install 'mujoco>=3.17,<4'"),
        Requirement("collada", "pip install pycollada"),
    ),
    capabilities=frozenset({Capability.OFFLINE}),
    license="MPL-2.0 (Unitree's model, from example-robot-data)",
)
