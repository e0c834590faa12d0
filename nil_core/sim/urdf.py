"""Robot descriptions in URDF, as MuJoCo models."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Collection
from pathlib import Path

import mujoco

from nil_core.errors import DataError
from nil_core.sim.inertia import balance_inertia
from nil_core.sim.meshes import VISUAL_GROUP
from nil_core.sim.urdf_meshes import load_meshes

COLLIDER_GROUP = 3

# By default MuJoCo drops the visual meshes of a URDF, welds its static links away and forgets the folders of meshes.
_COMPILER = {"discardvisual": "false", "fusestatic": "false", "strippath": "false", "inertiafromgeom": "auto"}
_FOLDERS = ("meshdir", "assetdir")  # of a compiler element: where meshes lie, from the URDF
_ONCE = ("compiler", "option", "size", "flag", "lengthrange")  # MuJoCo takes one of each in an element mujoco
_SMALLEST_LOOK = 0.01  # m; what is smaller marks a place
_LIGHTEST = 1e-3  # kg; a root link that is lighter stands for nothing
_NOTHING = 1e-9  # kg
_WATER = 1000.0  # kg/m^3, MuJoCo's own density
_OF_A_MARKER = ("fixed", "floating")  # joints below it; the robot floats in any case
_OF_A_JOINT_THAT_MOVES = ("axis", "limit", "dynamics", "mimic", "safety_controller", "calibration")


def read_urdf(path: Path, driven: Collection[str], install: str, balanced: bool = False) -> mujoco.MjSpec:
    """A floating robot from a URDF.

    ``package://`` is looked for in the folders above the file, Collada and other meshes that MuJoCo does not read are
    converted, an element ``mujoco`` counts, and root links that only mark the base are left out.

    Args:
        path: of the URDF.
        driven: the joints that move; all others are welded where their angle is 0.
        install: the line that installs the files, for the hint.
        balanced: mend inertias that no body can have, which MuJoCo refuses.

    Returns:
        the robot alone, on a free joint named ``root``: visuals in group 2, colliders in group 3, which all have names,
        links as in the URDF (``spec.fuse_static()`` merges those that cannot move). Only links have mass, geoms have
        none; but a link that moves and has no inertia in the URDF has that of its colliders, as in MuJoCo, or of its
        looks.

    Raises:
        DataError: a file is missing or unreadable; its cause is the error met.
    """
    try:
        robot = parse_xml(path)
        folders = _merge_mujoco(robot, path)
        _drop_placeholders(robot)
        _drop_shapes_without_size(robot)
        while _drop_marker_of_the_base(robot):
            pass
        for joint in robot.findall("joint"):
            if joint.get("name") not in driven:
                _weld(joint)
        assets = load_meshes(robot, path, folders)
        spec = mujoco.MjSpec.from_string(ET.tostring(robot, encoding="unicode"), assets=assets)
        spec.worldbody.first_body().add_freejoint(name="root")
        for body in spec.bodies[1:]:
            _sort_geoms(body)
            if body.joints and not _has_mass(body):
                _weigh_geoms(body)
        if balanced:
            balance_inertia(spec)
        _compile(spec)  # reads the meshes: what is wrong with them shows here, not where links are welded
    except FileNotFoundError as error:
        raise DataError(f"the robot description {path} lacks a file: {error}", install) from error
    except Exception as error:  # whatever a damaged file makes the parsers raise
        raise DataError(f"the robot description {path} cannot be read: {_one_line(error)}", install) from error
    return spec


def _compile(spec: mujoco.MjSpec) -> None:
    """Compile a copy. If meshes enclose nothing, they count as shells where their inertia is not needed.

    Raises:
        ValueError: it does not compile.
    """
    try:
        spec.copy().compile()
    except ValueError as error:
        if "mesh volume" not in str(error):
            raise
        weighed = {geom.meshname for geom in spec.geoms if geom.density}
        for mesh in spec.meshes:
            if mesh.name not in weighed:
                mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
        spec.copy().compile()


def parse_xml(path: Path) -> ET.Element:
    """The root element of a robot's file; bytes of zero at its end, which MuJoCo reads over, do not count.

    Raises:
        ET.ParseError: it is no XML.
        OSError: it cannot be read.
    """
    return ET.fromstring(path.read_bytes().rstrip(b"\0 \r\n\t"))


def _sort_geoms(body: mujoco.MjsBody) -> None:
    """Give visuals and colliders their groups and no mass, and colliders names."""
    for number, geom in enumerate(body.geoms):
        geom.group = COLLIDER_GROUP if geom.group == 0 else VISUAL_GROUP
        geom.density = 0
        if geom.group == COLLIDER_GROUP and not geom.name:
            geom.name = f"{body.name}_collider_{number}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _merge_mujoco(robot: ET.Element, urdf: Path) -> list[Path]:
    """Make one of all elements ``mujoco`` and of what they hold, with the compiler settings needed here.

    Returns:
        the folders of meshes that they name.

    Raises:
        ValueError: they contradict each other.
    """
    merged, folders = ET.Element("mujoco"), []
    ET.SubElement(merged, "compiler")
    for element in robot.findall("mujoco"):
        for compiler in element.iter("compiler"):
            folders += [urdf.parent / compiler.attrib.pop(name) for name in _FOLDERS if name in compiler.attrib]
            compiler.attrib.update(_COMPILER)
        element.attrib.clear()  # a name, which the robot has itself
        _merge(merged, element)
        robot.remove(element)
    merged[0].attrib.update(_COMPILER)
    robot.insert(0, merged)
    return folders


def _merge(merged: ET.Element, other: ET.Element) -> None:
    """Add the attributes and parts of another element of the same tag.

    Raises:
        ValueError: the two contradict each other.
    """
    for name, value in other.attrib.items():
        if (former := merged.attrib.setdefault(name, value)) != value:
            raise ValueError(f"its elements {merged.tag} contradict each other: {name}={former!r} and {name}={value!r}")
    for part in other:
        same = merged.find(part.tag) if part.tag in _ONCE else None
        _merge(ET.SubElement(merged, part.tag) if same is None else same, part)


def _drop_placeholders(robot: ET.Element) -> None:
    """Remove inertias without mass: they are as good as none."""
    for link in robot.findall("link"):
        inertial = link.find("inertial")
        if inertial is not None and _mass(link) < _NOTHING:
            link.remove(inertial)


def _drop_shapes_without_size(robot: ET.Element) -> None:
    """Remove visuals and colliders that are points: MuJoCo refuses them, where it does not discard visuals."""
    for link in robot.findall("link"):
        for part in (*link.findall("visual"), *link.findall("collision")):
            shape = next(iter(part.findall("geometry/*")), None)
            if shape is not None and _size(shape) == 0:
                link.remove(part)


def _mass(link: ET.Element) -> float:
    mass = link.find("inertial/mass")
    return 0.0 if mass is None else float(mass.get("value", 0))


def _has_mass(body: mujoco.MjsBody) -> bool:
    """Whether the link, or one that is welded to it, has an inertia of its own."""
    return bool(body.explicitinertial) or any(_has_mass(child) for child in body.bodies if not child.joints)


def _weigh_geoms(body: mujoco.MjsBody) -> None:
    colliders = [geom for geom in body.geoms if geom.group == COLLIDER_GROUP]
    for geom in colliders or body.geoms:
        geom.density, geom.mass = _WATER, float("nan")


def _drop_marker_of_the_base(robot: ET.Element) -> bool:
    """Remove a root link that only marks the base: it neither weighs nor shows anything, and one link is fixed to it.

    Returns:
        whether there was one.
    """
    joints = robot.findall("joint")
    children = {_end(joint, "child") for joint in joints}
    for link in robot.findall("link"):
        below = [joint for joint in joints if _end(joint, "parent") == link.get("name")]
        fixed = len(below) == 1 and below[0].get("type") in _OF_A_MARKER
        if link.get("name") not in children and fixed and _mass(link) < _LIGHTEST and not _is_seen(link):
            robot.remove(link)
            robot.remove(below[0])
            return True
    return False


def _is_seen(link: ET.Element) -> bool:
    """Whether the link has a shape that is more than a mark."""
    shapes = [shape for geometry in link.iter("geometry") for shape in geometry]
    return any(_size(shape) > _SMALLEST_LOOK for shape in shapes)


def _size(shape: ET.Element) -> float:
    """Largest extent, m; infinite for a mesh."""
    if shape.tag == "mesh":
        return float("inf")
    return max(float(number) for name in ("size", "radius", "length") for number in shape.get(name, "0").split())


def _end(joint: ET.Element, side: str) -> str | None:
    end = joint.find(side)
    return None if end is None else end.get("link")


def _weld(joint: ET.Element) -> None:
    joint.set("type", "fixed")
    for part in list(joint):
        if part.tag in _OF_A_JOINT_THAT_MOVES:
            joint.remove(part)
