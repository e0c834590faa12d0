"""The A1 as data and as a MuJoCo model, from the URDF and meshes in the wheel ``example-robot-data``."""

from __future__ import annotations

import mujoco

from nil_core.api import Actuator, Camera, FallLimits, RobotSpec, packaged_folder, read_urdf, touch_floor_only
from nil_robot_a1 import A1Options

PACKAGE = "example-robot-data"
FOLDER = "cmeel.prefix/share/example-robot-data/robots/a1_description/urdf"
INSTALL = f"pip install '{PACKAGE}>=6.0.0' pycollada"

LEGS = ("FR", "FL", "RR", "RL")
SEGMENTS = ("hip", "thigh", "calf")
TORQUE_LIMIT = 33.5  # N m; the URDF's effort limit of every joint
STAND = {"hip": 0.0, "thigh": 0.9, "calf": -1.8}  # rad
STANDING_HEIGHT = 0.27  # m

# Damping (N m s / rad), armature (kg m^2) and dry friction (N m) of the joints: the URDF has none; these are the values
# of MuJoCo Menagerie's and LocoMuJoCo's A1.
DAMPING = {"hip": 1.0, "thigh": 2.0, "calf": 2.0}
ARMATURE = 0.01
FRICTION_LOSS = 0.2

# The Collada files' colors, but for the calves: theirs (0.08) is nearly invisible on black.
COLOUR = (0.45, 0.53, 0.67, 1.0)
CALF_COLOUR = (0.36, 0.38, 0.42, 1.0)

SPEC = RobotSpec(
    name="a1",
    prompt_name="Unitree A1",
    root="trunk",
    torso="trunk",
    actuators=tuple(
        Actuator(
            joint=f"{leg}_{segment}_joint",
            torque_limit=TORQUE_LIMIT,
            kp=150.0,
            kd=0.0,  # the joints' own damping is enough
            action_range=0.2 if segment == "hip" else 0.5,
        )
        for leg in LEGS
        for segment in SEGMENTS
    ),
    standing_pose={f"{leg}_{segment}_joint": STAND[segment] for leg in LEGS for segment in SEGMENTS},
    standing_height=STANDING_HEIGHT,
    feet=tuple(f"{leg}_foot" for leg in LEGS),
    camera=Camera(distance=1.2, height=0.18, azimuth=55.0, elevation=-20.0),
    fall=FallLimits(min_height=STANDING_HEIGHT - 0.13),
    learning_steps=15_000,
)


class A1:
    """The quadruped Unitree A1.

    Attributes:
        spec: the embodiment as data.
    """

    spec = SPEC

    def __init__(self, options: A1Options) -> None:
        self._self_collision = options.self_collision

    def build(self) -> mujoco.MjSpec:
        """The robot alone, see :meth:`nil_core.api.Robot.build`.

        Raises:
            DataError: the wheel is missing, or its files cannot be read.
        """
        path = packaged_folder(PACKAGE, FOLDER, INSTALL) / "a1.urdf"
        spec = read_urdf(path, {actuator.joint for actuator in SPEC.actuators}, f"{INSTALL} --force-reinstall")
        for actuator in SPEC.actuators:
            joint = spec.joint(actuator.joint)
            joint.damping[0] = DAMPING[joint.name.split("_")[1]]
            joint.armature = ARMATURE
            joint.frictionloss = FRICTION_LOSS
        for body in spec.bodies:
            for geom in body.geoms:
                ball_in_a_foot = geom.group == 2 and geom.type != mujoco.mjtGeom.mjGEOM_MESH
                marker = geom.type == mujoco.mjtGeom.mjGEOM_BOX and max(geom.size) < 1e-3
                if ball_in_a_foot or marker:
                    spec.delete(geom)
                elif geom.group == 2:
                    geom.rgba = CALF_COLOUR if geom.meshname == "calf" else COLOUR
                elif body.name in SPEC.feet:
                    _set_foot(geom, body.name)
            body.fuse = body.name not in SPEC.feet
        spec.fuse_static()
        if not self._self_collision:
            touch_floor_only(spec)
        return spec


def _set_foot(geom: mujoco.MjsGeom, name: str) -> None:
    geom.name = name
    geom.friction = [0.8, 0.02, 0.01]
    geom.condim = 6
    geom.priority = 1  # the foot's friction counts, whatever the floor's
