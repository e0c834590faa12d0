"""Unitree H1 for nil: a humanoid of 19 joints and 51.4 kg."""

from __future__ import annotations

from pydantic import Field

from nil_core.api import Capability, ComponentCard, Options, Requirement


class H1Options(Options):
    """Options of the robot ``h1``."""

    self_collision: bool = Field(
        default=False,
        description="Let the robot's links collide with each other; off, they meet the floor only, which is faster.",
    )
    menagerie: bool = Field(
        default=False,
        description="Use the model that the package mujoco-menagerie has downloaded, not the one installed with nil.",
    )


CARD = ComponentCard(
    kind="robot",
    summary="Unitree H1, a humanoid (19 joints, 51.4 kg).",
    target="nil_robot_h1.humanoid:H1",
    config=H1Options,
    requires=(Requirement("mujoco", "pip install 'mujoco>=3.17,<4'"),),
    capabilities=frozenset({Capability.OFFLINE}),
    license="BSD-3-Clause (Unitree's model, from MuJoCo Menagerie)",
)
