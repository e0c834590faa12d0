"""Any legged robot for nil: a model file, and what the file does not say is derived from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from nil_core.api import Capability, ComponentCard, Requirement, RobotOptions

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class MjcfOptions(RobotOptions):
    """What is left unset is derived from the model (see the README)."""

    path: Path | None = Field(None, description="MJCF (.xml) or URDF file of the robot. It must be given.")
    prompt_name: str | None = Field(None, min_length=1, description="What the prompt calls the robot.")
    root: str | None = Field(
        None,
        description="Body with the free joint, of several robots; or a body fixed to the world, which then floats.",
    )
    balance_inertia: bool = Field(False, description="Mend inertias that no body can have and MuJoCo refuses.")
    torso: str | None = Field(None, description="Body whose tilt counts as stability.")
    heading: float | None = Field(None, description="Where the robot in the file faces, degrees from x to the left.")
    joints: tuple[str, ...] | None = Field(None, min_length=1, description="Driven hinge joints, in order.")
    feet: tuple[str, ...] | None = Field(None, min_length=1, description="Foot geoms; those of one body are one foot.")
    box_soles: bool = Field(
        True, description="Two feet: boxes touch the floor in place of foot meshes, on which a robot rocks."
    )
    standing_pose: dict[str, float] = Field(
        {}, description="Angles (rad) by joint, in place of those derived; all other joints keep theirs."
    )
    standing_height: Positive | None = Field(None, description="Root above the floor in the standing pose, m.")
    torque_limit: Positive | dict[str, Positive] | None = Field(None, description="N m, of all joints or by joint.")
    kp: Positive | dict[str, Positive] | None = Field(
        None, description="Stiffness, N m/rad, of all joints or by joint."
    )
    kd: NotNegative | dict[str, NotNegative] | None = Field(
        None, description="Damping, N m s/rad, of all joints or by joint."
    )
    action_range: Positive | dict[str, Positive] | None = Field(
        None, description="How far an action of 1 moves the target, rad, of all joints or by joint."
    )
    min_height: Positive | None = Field(None, description="Fallen when the root is lower, m.")
    max_roll: Positive = Field(0.7, description="Fallen when the root rolls further, rad.")
    max_pitch: Positive = Field(0.7, description="Fallen when the root pitches further, rad.")
    reference_seconds: float | None = Field(None, gt=0, description="Length of a reference, s.")


CARD = ComponentCard(
    kind="robot",
    summary="Any legged robot from an MJCF or URDF file: joints, feet, stand and gains are derived.",
    target="nil_robot_mjcf.robot:MjcfRobot",
    config=MjcfOptions,
    requires=(
        Requirement("mujoco", "pip install 'mujoco>=3.17,<4'"),
        Requirement("collada", "pip install pycollada"),
    ),
    capabilities=frozenset({Capability.OFFLINE}),
    license="the model file's own",
)
