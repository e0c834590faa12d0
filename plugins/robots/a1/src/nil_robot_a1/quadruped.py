"""The A1 as data and as a MuJoCo model, from the URDF and meshes in the wheel ``example-robot-data``."""

from __future__ import annotations

import importlib.metadata
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path

import mujoco

from nil_core.api import Actuator, Camera, DataError, FallLimits, RobotSpec
from nil_robot_a1 import A1Options
from nil_robot_a1.collada import read_mesh

LEGS = ("FR", "FL", "RR", "RL")
SEGMENTS = ("hip", "thigh", "calf")
TORQUE_LIMIT = 33.5  # N m; the URDF's effort limit of every joint
STAND = {"hip": 0.0, "thigh": 0.9, "calf": -1.8}  # rad
STANDING_HEIGHT = 0.27  # m
INSTALL = "pip install 'example-robot-data>=6.0.0' pycollada trimesh"

# Damping (N m s / rad), armature (kg m^2) and dry friction (N m) of the joints: the URDF has none; these are the values
# of MuJoCo Menagerie's and LocoMuJoCo's A1.
DAMPING = {"hip": 1.0, "thigh": 2.0, "calf": 2.0}
ARMATURE = 0.01
FRICTION_LOSS = 0.2

# The Collada files' colours, but for the calves: theirs (0.08) is nearly invisible on black.
COLOUR = (0.45, 0.53, 0.67, 1.0)
CALF_COLOUR = (0.36, 0.38, 0.42, 1.0)

# Without these settings MuJoCo drops the visual meshes and welds the legs' static links away before feet can be kept.
COMPILER = ET.fromstring('<mujoco><compiler discardvisual="false" fusestatic="false" strippath="false"/></mujoco>')

SPEC = RobotSpec(
    name="a1",
    prompt_name="Unitree A1",
    root="trunk",
    torso="trunk",
    actuators=tuple(
        Actuator(
            joint=f"{leg}_{segment}_joint",
            torque_limit=TORQUE_LIMIT,
            kp=100.0,
            kd=0.0,  # the joints' own damping is enough
            action_range=0.2 if segment == "hip" else 0.5,
        )
        for leg in LEGS
        for segment in SEGMENTS
    ),
    standing_pose={f"{leg}_{segment}_joint": STAND[segment] for leg in LEGS for segment in SEGMENTS},
    standing_height=STANDING_HEIGHT,
    feet=tuple(f"{leg}_foot" for leg in LEGS),
    camera=Camera(distance=1.2, height=0.18),
    fall=FallLimits(min_height=STANDING_HEIGHT - 0.13),
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
        urdf, meshes = _read_description()
        spec = mujoco.MjSpec.from_string(urdf, assets=meshes)
        spec.body(SPEC.root).add_freejoint(name="root")
        for joint in spec.joints:
            if joint.type == mujoco.mjtJoint.mjJNT_HINGE:
                joint.damping[0] = DAMPING[joint.name.split("_")[1]]
                joint.armature = ARMATURE
                joint.frictionloss = FRICTION_LOSS
        for body in spec.bodies:
            for geom in body.geoms:
                if geom.type == mujoco.mjtGeom.mjGEOM_BOX and max(geom.size) < 1e-3:  # a marker, not a part
                    spec.delete(geom)
                elif geom.group == 0:  # the URDF's <collision>
                    self._set_collider(geom, body.name)
                elif geom.type == mujoco.mjtGeom.mjGEOM_MESH:
                    _set_visual(geom)
                else:  # balls inside the feet of the calves' meshes
                    spec.delete(geom)
            body.fuse = body.name not in SPEC.feet
        spec.fuse_static()
        return spec

    def _set_collider(self, geom: mujoco.MjsGeom, body: str) -> None:
        geom.group = 3
        geom.density = 0  # masses are the URDF's; links without one must not gain one
        if not self._self_collision:
            geom.contype, geom.conaffinity = 0, 1
        if body in SPEC.feet:
            geom.name = body
            geom.friction = [0.8, 0.02, 0.01]
            geom.condim = 6
            geom.priority = 1  # the foot's friction counts, whatever the floor's


def _set_visual(geom: mujoco.MjsGeom) -> None:
    geom.group = 2
    geom.density = 0
    geom.rgba = CALF_COLOUR if geom.meshname == "calf" else COLOUR


@cache
def _read_description() -> tuple[str, dict[str, bytes]]:
    """The URDF, made ready for MuJoCo, and its meshes as OBJ files by name."""
    folder = _description_folder()
    try:
        urdf = ET.parse(folder / "urdf" / "a1.urdf").getroot()
        urdf.insert(0, COMPILER)
        # MuJoCo allows the free joint on the trunk only if the trunk is not welded to the dummy link "base".
        for tag, name in (("link", "base"), ("joint", "floating_base")):
            urdf.remove(next(e for e in urdf.findall(tag) if e.get("name") == name))
        meshes: dict[str, bytes] = {}
        for mesh in urdf.iter("mesh"):
            path = Path(mesh.get("filename", ""))  # package://.../trunk.dae: MuJoCo reads neither scheme nor format
            mesh.set("filename", f"{path.stem}.obj")
            if f"{path.stem}.obj" not in meshes:
                meshes[f"{path.stem}.obj"] = read_mesh(folder / "meshes" / path.name)
    except Exception as error:  # whatever a missing or damaged file makes the parsers raise
        raise DataError(
            f"the A1's description in {folder} cannot be read: {error!r}", f"{INSTALL} --force-reinstall"
        ) from error
    return ET.tostring(urdf, encoding="unicode"), meshes


def _description_folder() -> Path:
    try:
        wheel = importlib.metadata.distribution("example-robot-data")
    except importlib.metadata.PackageNotFoundError as error:
        raise DataError("the A1's description needs the package example-robot-data", INSTALL) from error
    return Path(str(wheel.locate_file("cmeel.prefix/share/example-robot-data/robots/a1_description")))
