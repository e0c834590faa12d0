"""PAL Talos: robot data; URDF and meshes are from the package ``example-robot-data``."""

from __future__ import annotations

import mujoco

from nil_core.api import (
    Camera,
    FallLimits,
    JointDynamics,
    ModelFile,
    PackagedRobot,
    RobotData,
    RobotSpec,
    make_actuators,
)

SIDES = ("left", "right")

# kp (N m / rad) and kd (N m s / rad). With softer legs the trunk leans in single support.
STRONG, WEAK = (4000.0, 60.0), (200.0, 5.0)

# Torque limit (N m), kp and kd of each joint. These are the paper's 24 joints: those of the head, the grippers, the
# last of each arm and the roll of the ankles are welded.
LEG = {  # hip yaw, roll, pitch, knee, ankle pitch
    "1": (100.0, *STRONG),
    "2": (160.0, *STRONG),
    "3": (160.0, *STRONG),
    "4": (300.0, *STRONG),
    "5": (160.0, *STRONG),
}
TORSO = {"1": (200.0, *STRONG), "2": (200.0, *STRONG)}  # yaw, pitch
ARM = {  # shoulder yaw, roll; elbow yaw, pitch; wrist yaw, roll
    "1": (100.0, *WEAK),
    "2": (100.0, *WEAK),
    "3": (70.0, *WEAK),
    "4": (70.0, *WEAK),
    "5": (20.0, *WEAK),
    "6": (8.0, *WEAK),
}

# rad; soles flat, center of mass above the middle of the feet, arms slightly away from the body.
STANDING_POSE = {
    **{f"leg_{side}_3_joint": -0.2074 for side in SIDES},
    **{f"leg_{side}_4_joint": 0.4 for side in SIDES},
    **{f"leg_{side}_5_joint": -0.1926 for side in SIDES},
    **{"arm_left_1_joint": 0.2585, "arm_right_1_joint": -0.2585},
    **{"arm_left_2_joint": 0.173, "arm_right_2_joint": -0.173},
    **{f"arm_{side}_4_joint": -0.5254 for side in SIDES},
}

# The URDF has no armature, and no damping in the legs.
LEG_DYNAMICS, OTHER_DYNAMICS = JointDynamics(damping=1.0, armature=0.1), JointDynamics(armature=0.1)

# The URDF's soles are meshes, on which the robot rocks and falls; boxes of the same extent are stable.
SOLE_SIZE, SOLE_POSITION = [0.11, 0.067, 0.01], [-0.006, 0.0, -0.0974]  # m, half sizes; in the frame of leg_*_6_link

MIN_BRIGHTNESS = 0.3  # largest color channel; darker parts are hard to see on black
REPLACEMENT_COLOR = (0.42, 0.44, 0.48, 1.0)  # of darker parts

SPEC = RobotSpec(
    name="talos",
    prompt_name="PAL Talos",
    root="base_link",
    torso="torso_2_link",
    actuators=(
        *make_actuators("leg_left_{}_joint", LEG),
        *make_actuators("leg_right_{}_joint", LEG),
        *make_actuators("torso_{}_joint", TORSO),
        *make_actuators("arm_left_{}_joint", ARM),
        *make_actuators("arm_right_{}_joint", ARM),
    ),
    standing_pose=STANDING_POSE,
    standing_height=1.068,
    feet=tuple(f"{side}_foot" for side in SIDES),
    camera=Camera(distance=2.8, height=0.85, azimuth=55.0, elevation=-15.0),  # from the side, the legs look alike
    fall=FallLimits(min_height=0.75),
    reference_seconds=4.0,
    learning_steps=120_000,  # after 80,000 one seed of three still fell
)


class Talos(PackagedRobot):
    """The humanoid PAL Talos."""

    data = RobotData(
        spec=SPEC,
        file=ModelFile(
            distribution="example-robot-data",
            folder="cmeel.prefix/share/example-robot-data/robots/talos_data/robots",
            name="talos_full_v2.urdf",
            install="pip install 'example-robot-data>=6.0.0'",
        ),
        foot_geoms={f"leg_{side}_6_link": (f"{side}_foot",) for side in SIDES},
        joint_dynamics={
            actuator.joint: LEG_DYNAMICS if actuator.joint.startswith("leg") else OTHER_DYNAMICS
            for actuator in SPEC.actuators
        },
        overlapping_bodies=(
            ("base_link", "torso_2_link"),
            ("leg_left_1_link", "leg_left_3_link"),
            ("leg_right_1_link", "leg_right_3_link"),
        ),
    )

    def adjust(self, model: mujoco.MjSpec) -> None:
        """Replace soles by boxes, and dark colors by gray."""
        for geom in model.geoms:
            if geom.group == 2 and max(geom.rgba[:3]) < MIN_BRIGHTNESS:
                geom.rgba = REPLACEMENT_COLOR
        for name in SPEC.feet:
            sole = model.geom(name)
            sole.type, sole.meshname = mujoco.mjtGeom.mjGEOM_BOX, ""
            sole.size, sole.pos = SOLE_SIZE, SOLE_POSITION
