"""Reads a robot's model file, MJCF or URDF. Everything in the result has a name, and every driven joint an actuator."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Collection
from pathlib import Path

import mujoco

from nil_core.api import ConfigError, DataError, balance_inertia, parse_xml, read_urdf
from nil_robot_mjcf import MjcfOptions

BALANCE = "--set robot.balance_inertia=true mends such inertias"
REFUSED = "MuJoCo refuses it too: mend the file where it says so"
HINGES = ("revolute", "continuous")  # of a URDF
MESHES = "its meshes must lie beside it; package:// is looked for in the folders above it"


def load(options: MjcfOptions) -> mujoco.MjSpec:
    """Everything in the file, uncompiled; a URDF gets a free joint and a motor on each of its hinges.

    Raises:
        ConfigError: no path is given.
        DataError: the file is missing, or neither MJCF nor URDF, or what it refers to is missing.
    """
    path = options.path
    if path is None:
        raise ConfigError("the robot mjcf needs a model file", "--set robot.path=my.xml (MJCF or URDF)")
    if not path.is_file():
        raise DataError(f"there is no robot model {path}", "--set robot.path=my.xml: a path from the current folder")
    try:
        document = parse_xml(path)
    except (ET.ParseError, UnicodeDecodeError) as error:
        raise DataError(f"the robot model {path} is not XML: {error}", "give an MJCF or URDF file") from error
    if document.tag == "robot":
        spec = _load_urdf(document, path, options)
    elif document.tag == "mujoco":
        spec = _load_mjcf(path, options)
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
        message = f"the robot model {path} does not compile: {_one_line(error)}"
        raise DataError(message, BALANCE if _compiles_balanced(spec) else REFUSED) from error


def is_urdf(path: Path | None) -> bool:
    """Whether a file that can be read is a URDF."""
    return path is not None and parse_xml(path).tag == "robot"


def links_without_inertia(spec: mujoco.MjSpec) -> list[str]:
    """Names of a URDF's links that move, and have the inertia of their geoms because the file has none."""
    return [
        body.name for body in spec.bodies[1:] if not body.explicitinertial and any(geom.density for geom in body.geoms)
    ]


def _load_urdf(document: ET.Element, path: Path, options: MjcfOptions) -> mujoco.MjSpec:
    driven = [str(joint.get("name")) for joint in document.findall("joint") if joint.get("type") in HINGES]
    try:
        spec = read_urdf(path, driven, MESHES, options.balance_inertia)
    except DataError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise
        hint = REFUSED
        if not options.balance_inertia and _can_read(path, driven):
            hint = BALANCE
        raise DataError(error.message, hint) from error
    for joint in driven:
        spec.add_actuator(trntype=mujoco.mjtTrn.mjTRN_JOINT, target=joint).set_to_motor()
    return spec


def _can_read(path: Path, driven: Collection[str]) -> bool:
    try:
        read_urdf(path, driven, MESHES, balanced=True)
    except DataError:
        return False
    return True


def _load_mjcf(path: Path, options: MjcfOptions) -> mujoco.MjSpec:
    try:
        spec = mujoco.MjSpec.from_file(str(path))
    except ValueError as error:
        raise DataError(f"the robot model {path} cannot be read: {_one_line(error)}", REFUSED) from error
    if options.balance_inertia:
        balance_inertia(spec)
    if options.root is not None:
        _float(spec, options.root)
    return spec


def _float(spec: mujoco.MjSpec, root: str) -> None:
    """Give a body that is fixed to the world a free joint."""
    for body in spec.worldbody.bodies:
        if body.name == root and not body.joints:
            body.add_freejoint(name=f"{root}_free")


def _compiles_balanced(spec: mujoco.MjSpec) -> bool:
    try:
        balance_inertia(spec)  # a spec that did not compile may not even let itself be read
        spec.compile()
    except ValueError:
        return False
    return True


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
