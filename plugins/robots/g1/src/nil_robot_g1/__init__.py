"""Unitree G1 for nil: a humanoid of 23 joints and 33.3 kg."""

from __future__ import annotations

from nil_core.api import Capability, ComponentCard, MenagerieOptions, Requirement

CARD = ComponentCard(
    kind="robot",
    summary="Unitree G1, a humanoid (23 joints, 33.3 kg).",
    target="nil_robot_g1.humanoid:G1",
    config=MenagerieOptions,
    requires=(Requirement("mujoco", "pip install 'mujoco>=3.17,<4'"),),
    capabilities=frozenset({Capability.OFFLINE}),
    license="BSD-3-Clause (Unitree's model, from MuJoCo Menagerie)",
)
