"""PAL Talos for nil: a humanoid of 24 joints and 93.3 kg."""

from __future__ import annotations

from nil_core.api import Capability, ComponentCard, Requirement, RobotOptions

CARD = ComponentCard(
    kind="robot",
    summary="PAL Talos, a humanoid (24 joints, 93.3 kg).",
    target="nil_robot_talos.humanoid:Talos",
    config=RobotOptions,
    requires=(Requirement("mujoco", "pip install 'mujoco>=3.17,<4'"),),
    capabilities=frozenset({Capability.OFFLINE}),
    license="Apache-2.0 (PAL Robotics' model, from example-robot-data)",
)
