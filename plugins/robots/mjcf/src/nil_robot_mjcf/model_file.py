"""Reads a robot's model file, MJCF or URDF. Everything in the result has a name, and every driven joint an actuator."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import mujoco

from nil_core.api import ConfigError, DataError, read_urdf

HINT = "check it with MuJoCo's own viewer: python -m mujoco.viewer --mjcf=FILE"
URDF_HINT = "its meshes must lie beside it; package:// is looked for in the folders above it"


def load(path: Path | None) -> mujoco.MjSpec:
    """Everything in the file, uncompiled; a URDF gets a free joint and a motor on each of its limited hinges.

    Raises:
        ConfigError: no path is given.
        DataError: the file is missing, or neither MJCF nor URDF, or what it refers to is missing.
    """
    if path is None:
        raise ConfigError("the robot mjcf needs a model file", "--set robot.path=my.xml (MJCF or URDF)")
    if not path.is_file():
        raise DataError(f"there is no robot model {path}", "--set robot.path=my.xml: a path from the current folder")
    try:
        document = ET.parse(path).getroot()
    except (ET.ParseError, UnicodeDecodeError) as error:
        raise DataError(f"the robot model {path} is not XML: {error}", "give an MJCF or URDF file") from error
    if document.tag == "robot":
        driven = [str(joint.get("name")) for joint in document.findall("joint") if joint.get("type") == "revolute"]
        spec = read_urdf(path, driven, URDF_HINT)
        for joint in driven:
            spec.add_actuator(trntype=mujoco.mjtTrn.mjTRN_JOINT, target=joint).set_to_motor()
    elif document.tag == "mujoco":
        try:
            spec = mujoco.MjSpec.from_file(str(path))
        except ValueError as error:
            raise DataError(f"the robot model {path} cannot be read: {_one_line(error)}", HINT) from error
    else:
        message = f"the robot model {path} is neither MJCF nor URDF: it begins with <{document.tag}>"
        raise DataError(message, "an MJCF file begins with <mujoco>, a URDF with <robot>")
    spec.compiler.fusestatic = False  # links that cannot move would lose their names
    _name_everything(spec)
    return spec


def compile_model(spec: mujoco.MjSpec, path: Path | None) -> mujoco.MjModel:
    """The compiled model.

    Raises:
        DataError: it does not compile.
    """
    try:
        return spec.compile()
    except ValueError as error:
        raise DataError(f"the robot model {path} does not compile: {_one_line(error)}", HINT) from error


def _one_line(error: ValueError) -> str:
    return " ".join(str(error).split())


def _name_everything(spec: mujoco.MjSpec) -> None:
    for kind, parts in (("body", spec.bodies[1:]), ("joint", spec.joints), ("geom", spec.geoms)):
        taken = {part.name for part in parts}
        for number, part in enumerate(parts):
            if not part.name:
                owner = part.name if kind == "body" else part.parent.name
                name = f"{owner}_{kind}_{number}".lstrip("_")
                while name in taken:
                    name += "_"
                part.name = name
                taken.add(name)
