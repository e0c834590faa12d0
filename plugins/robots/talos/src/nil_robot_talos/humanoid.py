"""The Talos as data and as a MuJoCo model, from the URDF and meshes in the wheel ``example-robot-data``."""

from __future__ import annotations

import mujoco

from nil_core.api import (
    Actuator,
    Camera,
    FallLimits,
    RobotSpec,
    packaged_folder,
    read_urdf,
    touch_floor_only,
    usable_range,
)
from nil_robot_talos import TalosOptions

PACKAGE = "example-robot-data"
FOLDER = "cmeel.prefix/share/example-robot-data/robots/talos_data/robots"
INSTALL = f"pip install '{PACKAGE}>=6.0.0'"

SIDES = ("left", "right")
LEG = {1: 100.0, 2: 160.0, 3: 160.0, 4: 300.0, 5: 160.0}  # N m; hip yaw, roll, pitch, knee, ankle pitch
ARM = {1: 100.0, 2: 100.0, 3: 70.0, 4: 70.0, 5: 20.0, 6: 8.0}  # shoulder yaw, roll; elbow yaw, pitch; wrist yaw, roll
TORSO = {1: 200.0, 2: 200.0}  # yaw, pitch

# Soles flat, the center of mass above the middle of the feet; arms a little off the body.
LEG_STAND = {3: -0.2074, 4: 0.4, 5: -0.1926}  # rad
ARM_STAND = {1: 0.2585, 2: 0.173, 4: -0.5254}
MIRRORED = (1, 2)  # arm joints that turn the other way on the right

# The URDF has no armature, and no damping in the legs.
ARMATURE = 0.1  # kg m^2
LEG_DAMPING = 1.0  # N m s / rad

# The URDF's soles are meshes, on which the robot rocks and falls; boxes of the same extent stand.
SOLE_SIZE, SOLE_POSITION = [0.11, 0.067, 0.01], [-0.006, 0.0, -0.0974]  # m, half sizes; in the frame of leg_*_6_link

DARK = (0.42, 0.44, 0.48, 1.0)  # instead of the URDF's 0.1 and 0.2, which are hard to see on black

STRONG_KP, STRONG_KD = (
    4000.0,
    60.0,
)  # N m / rad, N m s / rad; softer legs let the trunk lean where one carries the robot

OVERLAPPING = (
    ("base_link", "torso_2_link"),
    ("leg_left_1_link", "leg_left_3_link"),
    ("leg_right_1_link", "leg_right_3_link"),
)  # their colliders, in every pose


def _actuators(limb: str, joints: dict[int, float], kp: float, kd: float) -> tuple[Actuator, ...]:
    return tuple(
        Actuator(f"{limb}_{number}_joint", torque_limit, kp, kd, usable_range(torque_limit, kp))
        for number, torque_limit in joints.items()
    )


def _standing_pose() -> dict[str, float]:
    pose = {f"leg_{side}_{number}_joint": angle for side in SIDES for number, angle in LEG_STAND.items()}
    for side, sign in zip(SIDES, (1, -1), strict=True):
        for number, angle in ARM_STAND.items():
            pose[f"arm_{side}_{number}_joint"] = sign * angle if number in MIRRORED else angle
    return pose


# The paper's 24 joints: those of the head, the grippers, the last of each arm and the roll of the ankles are welded.
SPEC = RobotSpec(
    name="talos",
    prompt_name="PAL Talos",
    root="base_link",
    torso="torso_2_link",
    actuators=(
        *_actuators("leg_left", LEG, STRONG_KP, STRONG_KD),
        *_actuators("leg_right", LEG, STRONG_KP, STRONG_KD),
        *_actuators("torso", TORSO, STRONG_KP, STRONG_KD),
        *_actuators("arm_left", ARM, 200.0, 5.0),
        *_actuators("arm_right", ARM, 200.0, 5.0),
    ),
    standing_pose=_standing_pose(),
    standing_height=1.068,
    feet=tuple(f"{side}_foot" for side in SIDES),
    camera=Camera(distance=2.8, height=0.85, azimuth=55.0, elevation=-15.0),  # from the side, legs look alike
    fall=FallLimits(min_height=0.75),
    reference_seconds=4.0,
)


class Talos:
    """The humanoid PAL Talos.

    Attributes:
        spec: the embodiment as data.
    """

    spec = SPEC

    def __init__(self, options: TalosOptions) -> None:
        self._options = options

    def build(self) -> mujoco.MjSpec:
        """The robot alone, see :meth:`nil_core.api.Robot.build`.

        Raises:
            DataError: the model's files are missing or unreadable.
        """
        path = packaged_folder(PACKAGE, FOLDER, INSTALL) / "talos_full_v2.urdf"
        spec = read_urdf(path, {actuator.joint for actuator in SPEC.actuators}, f"{INSTALL} --force-reinstall")
        for actuator in SPEC.actuators:
            joint = spec.joint(actuator.joint)
            joint.armature = ARMATURE
            if joint.name.startswith("leg"):
                joint.damping[0] = LEG_DAMPING
        for geom in spec.geoms:
            if geom.group == 2 and max(geom.rgba[:3]) < 0.3:
                geom.rgba = DARK
        for side in SIDES:
            _set_sole(spec.body(f"leg_{side}_6_link"), f"{side}_foot")
        spec.fuse_static()
        if self._options.self_collision:
            for first, second in OVERLAPPING:
                spec.add_exclude(bodyname1=first, bodyname2=second)
        else:
            touch_floor_only(spec)
        return spec


def _set_sole(foot: mujoco.MjsBody, name: str) -> None:
    (sole,) = (geom for geom in foot.geoms if geom.group == 3)
    sole.name = name
    sole.type, sole.meshname = mujoco.mjtGeom.mjGEOM_BOX, ""
    sole.size, sole.pos = SOLE_SIZE, SOLE_POSITION
