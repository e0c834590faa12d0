"""Unitree H1 for nil: a humanoid of 19 joints and 51.4 kg."""

from __future__ import annotations

from nil_core.api import Capability, ComponentCard, MenagerieOptions, Requirement

CARD = ComponentCard(
    kind="robot",
    summary="Unitree H1, a humanoid (19 joints, 51.4 kg).",
    target="nil_robot_h1.humanoid:H1",
    config=MenagerieOptions,
    requires=(Requirement("mujoco", "pip install 'mujoco>=3.17,<4'"),),
    capabilities=frozenset({Capability.OFFLINE}),
    license="BSD-3-Clause (Unitree's model, from MuJoCo Menagerie)",
)
