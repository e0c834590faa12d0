"""Unitree G1 for nil: a humanoid of 23 joints and 33.3 kg."""

from __future__ import annotations

from pydantic import Field

from nil_core.api import Capability, ComponentCard, Options, Requirement


class G1Options(Options):
    """Options of the robot ``g1``."""

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
    summary="Unitree G1, a humanoid (23 joints, 33.3 kg).",
    target="nil_robot_g1.humanoid:G1",
    config=G1Options,
    requires=(Requirement("mujoco", "pip install 'mujoco>=3.17,<4'"),),
    capabilities=frozenset({Capability.OFFLINE}),
    license="BSD-3-Clause (Unitree's model, from MuJoCo Menagerie)",
)
