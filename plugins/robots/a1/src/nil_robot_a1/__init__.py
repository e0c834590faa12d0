"""Unitree A1 for nil: a quadruped of 12 joints and 13.7 kg."""

from __future__ import annotations

from nil_core.api import Capability, ComponentCard, Requirement, RobotOptions

CARD = ComponentCard(
    kind="robot",
    summary="Unitree A1, a quadruped (12 joints, 13.7 kg).",
    target="nil_robot_a1.quadruped:A1",
    config=RobotOptions,
    requires=(
        Requirement("mujoco", "pip install 'mujoco>=3.17,<4'"),
        Requirement("collada", "pip install pycollada"),
    ),
    capabilities=frozenset({Capability.OFFLINE}),
    license="MPL-2.0 (Unitree's model, from example-robot-data)",
)
