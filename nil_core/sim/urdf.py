"""Robot descriptions in URDF, as MuJoCo models."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Collection
from functools import cache
from pathlib import Path

import mujoco
import trimesh

from nil_core.errors import DataError
from nil_core.sim.meshes import VISUAL_GROUP

COLLIDER_GROUP = 3

# By default MuJoCo drops the visual meshes of a URDF, welds its static links away and forgets the folders of meshes.
_COMPILER = '<mujoco><compiler discardvisual="false" fusestatic="false" strippath="false"/></mujoco>'
_OF_A_JOINT_THAT_MOVES = ("axis", "limit", "dynamics", "mimic", "safety_controller", "calibration")


def read_urdf(path: Path, driven: Collection[str], install: str) -> mujoco.MjSpec:
    """A floating robot from a URDF.

    ``package://`` is looked for in the folders above the file, Collada meshes are converted, and a massless root link
    that only marks the base is left out.

    Args:
        path: of the URDF.
        driven: the joints that move; all others are welded where their angle is 0.
        install: the line that installs the files, for the hint.

    Returns:
        the robot alone, on a free joint named ``root``: visuals in group 2, colliders in group 3, links as in the URDF
        (``spec.fuse_static()`` merges those that cannot move). Only links have mass, geoms have none.

    Raises:
        DataError: a file is missing or unreadable.
    """
    try:
        robot = ET.parse(path).getroot()
        robot.insert(0, ET.fromstring(_COMPILER))
        _drop_marker_of_the_base(robot)
        for joint in robot.findall("joint"):
            if joint.get("name") not in driven:
                _weld(joint)
        assets = _load_meshes(robot, path)
        spec = mujoco.MjSpec.from_string(ET.tostring(robot, encoding="unicode"), assets=assets)
        spec.worldbody.first_body().add_freejoint(name="root")
        spec.copy().compile()  # reads the meshes: what is wrong with them shows here, not where links are welded
    except Exception as error:  # whatever a missing or damaged file makes the parsers raise
        raise DataError(f"the robot description {path} cannot be read: {error!r}", install) from error
    for geom in spec.geoms:
        geom.group = COLLIDER_GROUP if geom.group == 0 else VISUAL_GROUP
        geom.density = 0
    return spec


def _drop_marker_of_the_base(robot: ET.Element) -> None:
    """Remove a root link without mass, and the joint that fixes the base to it: MuJoCo allows no free joint on that."""
    joints = {_end(joint, "parent"): joint for joint in robot.findall("joint")}
    children = {_end(joint, "child") for joint in robot.findall("joint")}
    for link in robot.findall("link"):
        joint = joints.get(link.get("name"))
        if link.get("name") not in children and link.find("inertial") is None and joint is not None:
            robot.remove(link)
            robot.remove(joint)


def _end(joint: ET.Element, side: str) -> str | None:
    end = joint.find(side)
    return None if end is None else end.get("link")


def _weld(joint: ET.Element) -> None:
    joint.set("type", "fixed")
    for part in list(joint):
        if part.tag in _OF_A_JOINT_THAT_MOVES:
            joint.remove(part)


def _load_meshes(robot: ET.Element, urdf: Path) -> dict[str, bytes]:
    """The meshes by the file names that the elements get here."""
    files: dict[str, Path] = {}  # MuJoCo knows a mesh by its stem, so every file gets one of its own
    for mesh in robot.iter("mesh"):
        file = _find(mesh.get("filename", ""), urdf)
        stem = file.stem
        while files.setdefault(stem, file) != file:
            stem += "_"
        mesh.set("filename", stem + _suffix(file))
    return {
        stem + _suffix(file): _collada_as_obj(file) if _is_collada(file) else file.read_bytes()
        for stem, file in files.items()
    }


def _is_collada(file: Path) -> bool:
    return file.suffix.lower() == ".dae"


def _suffix(file: Path) -> str:
    return ".obj" if _is_collada(file) else file.suffix


def _find(filename: str, urdf: Path) -> Path:
    """A mesh file, named relative to the URDF or to any folder above it (``package://``, with two slashes or three).

    Raises:
        FileNotFoundError: there is none.
    """
    relative = filename.removeprefix("package://").lstrip("/")
    for folder in urdf.absolute().parents:
        if relative and (folder / relative).is_file():
            return folder / relative
    raise FileNotFoundError(filename)


@cache
def _collada_as_obj(path: Path) -> bytes:
    """Geometry of a Collada file in meters, its node transforms applied, as the bytes of an OBJ file."""
    mesh = trimesh.load_mesh(path)
    # Without the texture coordinates, which split vertices.
    bare = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    bare.merge_vertices()
    return str(bare.export(file_type="obj", include_normals=False, include_color=False, include_texture=False)).encode()
