"""Fewer triangles to draw: what is seen of a robot, in one mesh for each body and material.

Drawing small frames on a CPU costs time by the triangle and by the geom, and robots' meshes come with hundreds of
thousands of triangles. Physics is left as it is, to the bit: only visual geoms get new meshes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from nil_core.errors import DataError
from nil_core.sim.defaults import plain_default
from nil_core.sim.surface import Triangles, simplify, total_area
from nil_core.storage.cache import Arrays, cached, fingerprint
from nil_core.types import Doubles, Floats

VISUAL_GROUP = 2
CUBE = 0.35  # side of the cubes that meshes are drawn anew with, in pixels ...
LEAST_CUBE = 0.003  # ... and not less than this, in m
AREA = 1.8  # of a triangle on average, in square pixels
FEWEST = 12  # triangles
UNSEEN = 1e-9  # m^2; a simplified mesh of less area is not used

_RECIPE = f"4 {CUBE} {LEAST_CUBE} {AREA} {FEWEST}"  # part of the cache's key: raise the number when the code changes


@dataclass(frozen=True)
class Decimated:
    """A spec whose visual meshes were replaced.

    Attributes:
        original: the model as it was, if it had to be compiled.
    """

    original: mujoco.MjModel | None


def decimate_visuals(spec: mujoco.MjSpec, pixel: float) -> Decimated | None:
    """Give the visual mesh geoms (group 2) of a spec meshes of few triangles; colliders keep theirs.

    Geoms of one body and one look become one geom, unless they have a name. Those whose mesh gives their body its
    inertia keep it.

    Args:
        spec: changed in place; must compile.
        pixel: m of the robot that one pixel shows: what is smaller is not worth a triangle.

    Returns:
        what is known of it; None where no mesh was replaced.

    Raises:
        DataError: the model does not compile; a mesh that cannot be read is named.
    """
    groups: dict[Any, list[Any]] = {}
    for geom in spec.geoms:
        if geom.type == mujoco.mjtGeom.mjGEOM_MESH and geom.group == VISUAL_GROUP and not _weighs(spec, geom):
            look = (geom.parent.name, _material(spec, geom), *geom.rgba.tolist())
            only_seen = not (geom.name or geom.contype or geom.conaffinity)
            groups.setdefault(look if only_seen else (look, len(groups)), []).append(geom)
    read: list[mujoco.MjModel] = []  # compiling takes half a second, and only what is new needs it

    def model() -> mujoco.MjModel:
        if not read:
            read.append(compiled(spec))
        return read[0]

    light = [_cached_decimation(spec, geoms, model, pixel) for geoms in groups.values()]
    meshes = {geom.meshname for geoms in groups.values() for geom in geoms}
    for number, (geoms, (vertices, triangles)) in enumerate(zip(groups.values(), light, strict=True)):
        if total_area(vertices, triangles) < UNSEEN:  # nothing is left of it, and MuJoCo takes no such surface
            continue
        name = f"{geoms[0].meshname}_visual_{number}"
        geoms[0].material = _material(spec, geoms[0])
        spec.add_mesh(
            plain_default(),  # scale, offset and all else are in the vertices already
            name=name,
            uservert=vertices.ravel(),
            userface=triangles.ravel(),
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,  # the surface may be open, and has no inertia to give
        )
        geoms[0].meshname = name
        for other in geoms[1:]:
            spec.delete(other)
    for name in sorted(meshes - {geom.meshname for geom in spec.geoms}):
        spec.delete(spec.mesh(name))
    return Decimated(read[0] if read else None) if groups else None


def _weighs(spec: mujoco.MjSpec, geom: Any) -> bool:
    """Whether the geom is part of its body's mass or inertia."""
    always = spec.compiler.inertiafromgeom == mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_TRUE
    never = spec.compiler.inertiafromgeom == mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_FALSE
    counts = always or not (never or geom.parent.explicitinertial)
    return bool(counts and geom.mass != 0 and (geom.density != 0 or geom.mass > 0))


def _material(spec: mujoco.MjSpec, geom: Any) -> str:
    """What a geom is made of: a mesh can bring a material, for geoms that name none."""
    return str(geom.material or spec.mesh(geom.meshname).material)


def compiled(spec: mujoco.MjSpec) -> mujoco.MjModel:
    """The model of a spec.

    Raises:
        DataError: it does not compile; a mesh that cannot be read is named.
    """
    try:
        return spec.compile()
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise DataError(f"the robot's model does not compile: {reason}", "install the robot's files anew") from error


def decimate(vertices: Floats, triangles: Triangles, pixel: float) -> tuple[Floats, Triangles]:
    """What is seen of a mesh, in fewer triangles.

    Args:
        vertices: float32 (V, 3), m.
        triangles: int32 (F, 3), indices of vertices.
        pixel: m that one pixel shows.

    Returns:
        fewer vertices and triangles, or the very same if there is nothing to gain.
    """
    if len(triangles) <= FEWEST:
        return vertices, triangles
    fewer_vertices, fewer = simplify(vertices, triangles, max(CUBE * pixel, LEAST_CUBE), AREA * pixel**2, FEWEST)
    if not 4 <= len(fewer) < len(triangles):
        return vertices, triangles
    return fewer_vertices, fewer


def _source(spec: mujoco.MjSpec, name: str) -> tuple[Any, ...]:
    """What MuJoCo would make a mesh from; nothing if that is not a file, or the file is not where it should be."""
    mesh = spec.mesh(name)
    path = Path(spec.modelfiledir, spec.meshdir, mesh.file)
    content = spec.assets.get(mesh.file) or (path.read_bytes() if path.is_file() else None)
    if content is None:
        return ()
    placed = [mesh.scale.tolist(), mesh.refpos.tolist(), mesh.refquat.tolist()]
    return mujoco.__version__, path.suffix, content, *placed


def _place(geom: Any) -> list[Any]:
    """Where a geom lies in its body, as it is written."""
    written = []
    while geom is not None:
        other = geom.alt
        written += [geom.pos.tolist(), geom.quat.tolist(), int(other.type), other.axisangle.tolist()]
        written += [other.xyaxes.tolist(), other.zaxis.tolist(), other.euler.tolist()]
        geom = geom.frame
    return written


def _geometry(model: mujoco.MjModel, name: str) -> tuple[Floats, Triangles]:
    """Vertices (V, 3) in m and triangles (F, 3) of a compiled mesh, in the frame of its file.

    MuJoCo reads every format, and applies scale and offset.
    """
    mesh = model.mesh(name).id
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    centered = model.mesh_vert[first : first + count].astype(np.float64)
    vertices = (centered @ rotation_matrix(model.mesh_quat[mesh]).T + model.mesh_pos[mesh]).astype(np.float32)
    first, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    return vertices, model.mesh_face[first : first + count].copy()


def _together(model: mujoco.MjModel, geoms: list[Any]) -> tuple[Floats, Triangles]:
    """The meshes of geoms of one body as one, in the frame of the first one's file."""
    rotation, position = _file_in_body(model, geoms[0])
    vertices, triangles, before = [], [], 0
    for geom in geoms:
        own, corners = _geometry(model, geom.meshname)
        turn, shift = _file_in_body(model, geom)
        vertices.append(own if geom is geoms[0] else (own @ turn.T + shift - position) @ rotation)
        triangles.append(corners + before)
        before += len(own)
    return np.concatenate(vertices).astype(np.float32), np.concatenate(triangles)


def _file_in_body(model: mujoco.MjModel, geom: Any) -> tuple[Doubles, Doubles]:
    """Rotation (3, 3) and position (3,) in the body of the frame that a geom's mesh has in its file.

    MuJoCo moves a mesh to its center and main axes and the geom with it.
    """
    mesh = model.mesh(geom.meshname).id
    rotation = rotation_matrix(model.geom_quat[geom.id]) @ rotation_matrix(model.mesh_quat[mesh]).T
    return rotation, model.geom_pos[geom.id] - rotation @ model.mesh_pos[mesh]


def rotation_matrix(quaternion: Doubles) -> Doubles:
    """(3, 3), of a unit quaternion, w first."""
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, quaternion)
    return matrix.reshape(3, 3)


def _cached_decimation(
    spec: mujoco.MjSpec, geoms: list[Any], model: Callable[[], mujoco.MjModel], pixel: float
) -> tuple[Floats, Triangles]:
    def make() -> Arrays:
        fewer_vertices, fewer = decimate(*_together(model(), geoms), pixel)
        return {"vertices": fewer_vertices, "triangles": fewer}

    sources = [_source(spec, geom.meshname) for geom in geoms]
    key = [part for source in sources for part in source] if all(sources) else list(_together(model(), geoms))
    if len(geoms) > 1:
        compiler = spec.compiler
        key += [_place(geom) for geom in geoms] + [bool(compiler.degree), str(compiler.eulerseq)]
    found, _ = cached("meshes", fingerprint(_RECIPE, pixel, *key), make, ("vertices", "triangles"))
    return found["vertices"], found["triangles"]
