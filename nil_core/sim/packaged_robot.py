"""Robots whose model file is part of an installed package: each is a table of data, and all are built alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import mujoco

from nil_core.card import MenagerieOptions, RobotOptions
from nil_core.sim.robot_files import menagerie_folder, packaged_folder, read_mjcf, touch_floor_only
from nil_core.sim.urdf import COLLIDER_GROUP, read_urdf
from nil_core.types import Actuator, Camera, RobotSpec, usable_range

Rgba = tuple[float, float, float, float]
"""Red, green, blue and opacity, 0 ... 1."""


@dataclass(frozen=True)
class ModelFile:
    """Where the model file of a robot lies.

    Attributes:
        distribution: name on the package index of the package that contains it.
        folder: of the file, relative to where packages are installed.
        name: of the file; ``.xml`` is MJCF, ``.urdf`` is URDF.
        install: the command that installs the package.
        menagerie: name of the robot in MuJoCo Menagerie, for the option ``menagerie``.
    """

    distribution: str
    folder: str
    name: str
    install: str
    menagerie: str = ""

    def locate(self, menagerie: bool = False) -> tuple[Path, str]:
        """The path of the file, and the command that installs it anew.

        Args:
            menagerie: the file that the package ``mujoco-menagerie`` has downloaded instead.

        Raises:
            DataError: the package is not installed, or has not downloaded the robot.
        """
        if menagerie:
            return menagerie_folder(self.menagerie) / self.name, f"mujoco-menagerie prefetch {self.menagerie}"
        folder = packaged_folder(self.distribution, self.folder, self.install)
        return folder / self.name, f"{self.install} --force-reinstall"


@dataclass(frozen=True)
class JointDynamics:
    """Passive dynamics of a joint, where the model file says nothing, or something else; None keeps the file's value.

    Attributes:
        damping: N m s / rad.
        armature: kg m^2.
        friction_loss: N m.
    """

    damping: float | None = None
    armature: float | None = None
    friction_loss: float | None = None


@dataclass(frozen=True)
class RobotData:
    """A robot with a model file, as data.

    Attributes:
        spec: the embodiment.
        file: its model.
        foot_geoms: body to the names that its colliders get, in the order of the file: the feet of ``spec``.
        material_colors: material to its color, where the file's is nearly invisible on black.
        joint_dynamics: joint to its passive dynamics.
        overlapping_bodies: pairs of bodies whose colliders overlap in every pose; they never collide.
    """

    spec: RobotSpec
    file: ModelFile
    foot_geoms: Mapping[str, tuple[str, ...]]
    material_colors: Mapping[str, Rgba] = field(default_factory=dict)
    joint_dynamics: Mapping[str, JointDynamics] = field(default_factory=dict)
    overlapping_bodies: tuple[tuple[str, str], ...] = ()


class PackagedRobot:
    """Base class of robots with a model file in an installed package; implements :class:`nil_core.api.Robot`.

    A subclass sets ``data``, and overrides :meth:`adjust` where its file needs more.

    Args:
        options: of the robot.

    Attributes:
        data: the robot as data.
        spec: the embodiment, part of it.
    """

    data: RobotData

    def __init__(self, options: RobotOptions) -> None:
        self.spec = replace(self.data.spec, camera=choose_camera(options, self.data.spec.camera))
        self._options = options

    def build(self) -> mujoco.MjSpec:
        """The robot alone, see :meth:`nil_core.api.Robot.build`. Hinges that no actuator drives are welded.

        Raises:
            DataError: the model's files are missing or unreadable.
        """
        data = self.data
        driven = {actuator.joint for actuator in data.spec.actuators}
        menagerie = isinstance(self._options, MenagerieOptions) and self._options.menagerie
        path, install = data.file.locate(menagerie)
        is_urdf = path.suffix == ".urdf"
        model = read_urdf(path, driven, install) if is_urdf else read_mjcf(path, install)
        for joint in model.joints:
            if joint.type == mujoco.mjtJoint.mjJNT_HINGE and joint.name not in driven:
                model.delete(joint)
        for name, dynamics in data.joint_dynamics.items():
            _set_dynamics(model.joint(name), dynamics)
        for name, color in data.material_colors.items():
            model.material(name).rgba = color
        for body, names in data.foot_geoms.items():
            colliders = [geom for geom in model.body(body).geoms if geom.group == COLLIDER_GROUP]
            for geom, name in zip(colliders, names, strict=True):
                geom.name = name
        self.adjust(model)
        if is_urdf:
            model.fuse_static()
        if self._options.self_collision:
            for first, second in data.overlapping_bodies:
                model.add_exclude(bodyname1=first, bodyname2=second)
        else:
            touch_floor_only(model)
        return model

    def adjust(self, model: mujoco.MjSpec) -> None:
        """Change what only this robot needs, in place. Feet have their names, and links that cannot move are still
        bodies of their own."""


def choose_camera(options: RobotOptions, default: Camera) -> Camera:
    """The camera that the options ask for; what they leave unset is ``default``'s."""
    chosen = {
        "distance": options.camera_distance,
        "height": options.camera_height,
        "azimuth": options.camera_azimuth,
        "elevation": options.camera_elevation,
    }
    return replace(default, **{name: value for name, value in chosen.items() if value is not None})


def make_actuators(name: str, joints: Mapping[str, tuple[float, float, float]]) -> tuple[Actuator, ...]:
    """Actuators from a table, with action ranges by :func:`nil_core.api.usable_range`.

    Args:
        name: of the joints, with ``{}`` where the key of the table goes, such as ``left_{}_joint``.
        joints: key to torque limit (N m), kp (N m / rad) and kd (N m s / rad).
    """
    return tuple(
        Actuator(name.format(joint), torque_limit, kp, kd, usable_range(torque_limit, kp))
        for joint, (torque_limit, kp, kd) in joints.items()
    )


def _set_dynamics(joint: mujoco.MjsJoint, dynamics: JointDynamics) -> None:
    if dynamics.damping is not None:
        joint.damping[0] = dynamics.damping
    if dynamics.armature is not None:
        joint.armature = dynamics.armature
    if dynamics.friction_loss is not None:
        joint.frictionloss = dynamics.friction_loss
