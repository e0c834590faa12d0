"""Unitree A1: robot data; URDF and meshes are from the package ``example-robot-data``."""

from __future__ import annotations

import mujoco

from nil_core.api import (
    Actuator,
    Camera,
    FallLimits,
    JointDynamics,
    ModelFile,
    PackagedRobot,
    RobotData,
    RobotSpec,
)

LEGS = ("FR", "FL", "RR", "RL")
JOINTS = {f"{leg}_{segment}_joint": segment for leg in LEGS for segment in ("hip", "thigh", "calf")}
ACTION_RANGE = {"hip": 0.2, "thigh": 0.5, "calf": 0.5}  # rad
STANDING_POSE = {"hip": 0.0, "thigh": 0.9, "calf": -1.8}  # rad
STANDING_HEIGHT = 0.27  # m

# The URDF has no passive dynamics; these are the values of MuJoCo Menagerie's and LocoMuJoCo's A1.
DAMPING = {"hip": 1.0, "thigh": 2.0, "calf": 2.0}  # N m s / rad
ARMATURE = 0.01  # kg m^2
FRICTION_LOSS = 0.2  # N m

# Colors of the Collada files, except for the calves, whose color (0.08) is nearly invisible on black.
COLOR = (0.45, 0.53, 0.67, 1.0)
CALF_COLOR = (0.36, 0.38, 0.42, 1.0)

SPEC = RobotSpec(
    name="a1",
    prompt_name="Unitree A1",
    root="trunk",
    torso="trunk",
    actuators=tuple(
        Actuator(
            joint,
            torque_limit=33.5,  # N m; the URDF's effort limit of every joint
            kp=150.0,
            kd=0.0,  # joint damping is sufficient
            action_range=ACTION_RANGE[segment],
        )
        for joint, segment in JOINTS.items()
    ),
    standing_pose={joint: STANDING_POSE[segment] for joint, segment in JOINTS.items()},
    standing_height=STANDING_HEIGHT,
    feet=tuple(f"{leg}_foot" for leg in LEGS),
    camera=Camera(distance=1.2, height=0.18, azimuth=55.0, elevation=-20.0),
    fall=FallLimits(min_height=STANDING_HEIGHT - 0.13),
    learning_steps=12_000,
)


class A1(PackagedRobot):
    """The quadruped Unitree A1."""

    data = RobotData(
        spec=SPEC,
        file=ModelFile(
            distribution="example-robot-data",
            folder="cmeel.prefix/share/example-robot-data/robots/a1_description/urdf",
            name="a1.urdf",
            install="pip install 'example-robot-data>=6.0.0' pycollada",
        ),
        foot_geoms={foot: (foot,) for foot in SPEC.feet},
        joint_dynamics={
            joint: JointDynamics(DAMPING[segment], ARMATURE, FRICTION_LOSS) for joint, segment in JOINTS.items()
        },
    )

    def adjust(self, model: mujoco.MjSpec) -> None:
        """Keep feet as separate bodies with hard contacts, remove markers, and set visible colors."""
        for body in model.bodies:
            body.fuse = body.name not in SPEC.feet
            for geom in body.geoms:
                is_foot_ball = geom.group == 2 and geom.type != mujoco.mjtGeom.mjGEOM_MESH
                is_marker = geom.type == mujoco.mjtGeom.mjGEOM_BOX and max(geom.size) < 1e-3
                if is_foot_ball or is_marker:
                    model.delete(geom)
                elif geom.group == 2:
                    geom.rgba = CALF_COLOR if geom.meshname == "calf" else COLOR
        for name in SPEC.feet:
            foot = model.geom(name)
            foot.friction = [0.8, 0.02, 0.01]
            foot.condim = 6
            foot.priority = 1  # use the foot's friction, not the floor's
