"""Visual geometry of a model as triangle meshes in the frames of its bodies, for viewers other than MuJoCo's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
import trimesh

from nil_core.sim.meshes import rotation_matrix
from nil_core.sim.scene import FLOOR
from nil_core.sim.surface import Triangles
from nil_core.types import Color, Doubles, Floats

SEGMENTS = 24
"""Sides of round geoms."""

PLANE_SIDE = 20.0
"""Side in m of planes that MuJoCo draws without limit."""


@dataclass(frozen=True)
class VisualMesh:
    """All visual geoms of one body and one color.

    Attributes:
        body: id of the body; its pose in the world is ``data.xpos[body]``, ``data.xquat[body]``.
        geoms: ids of the geoms, in the order of their vertices.
        vertices: float32 (V, 3), m, in the frame of the body.
        triangles: int32 (F, 3), indices of vertices.
        color: of the geoms; the mean color of the texture where the material has one.
        opacity: 0 to 1.
    """

    body: int
    geoms: tuple[int, ...]
    vertices: Floats
    triangles: Triangles
    color: Color
    opacity: float


def visual_meshes(model: mujoco.MjModel) -> list[VisualMesh]:
    """Meshes of everything that MuJoCo draws by default, without the floor of nil's scenes.

    Height fields, flexes and skins are left out.
    """
    looks: dict[tuple[int, Color, float], list[int]] = {}
    for drawn in _drawn_geoms(model):
        look = int(model.geom_bodyid[drawn.objid]), _color(model, drawn), round(float(drawn.rgba[3]), 3)
        looks.setdefault(look, []).append(int(drawn.objid))
    return [_merged(model, *look, geoms) for look, geoms in looks.items()]


def _drawn_geoms(model: mujoco.MjModel) -> list[Any]:
    """The geoms that MuJoCo draws, with the color that it gives them; transparent ones come last in its list."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 100)
    geoms, camera = mujoco.mjtCatBit.mjCAT_STATIC | mujoco.mjtCatBit.mjCAT_DYNAMIC, mujoco.MjvCamera()
    mujoco.mjv_updateScene(model, data, mujoco.MjvOption(), None, camera, geoms, scene)
    floor = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, FLOOR)
    drawn = [geom for geom in scene.geoms[: scene.ngeom] if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM]
    kinds = {*_SHAPES, *_MESHES}
    return [geom for geom in drawn if geom.objid != floor and int(model.geom_type[geom.objid]) in kinds]


def _color(model: mujoco.MjModel, drawn: Any) -> Color:
    rgb = np.array(drawn.rgba[:3], np.float64)
    for role in (mujoco.mjtTextureRole.mjTEXROLE_RGB, mujoco.mjtTextureRole.mjTEXROLE_RGBA):
        if drawn.matid >= 0 and (texture := model.mat_texid[drawn.matid, int(role)]) >= 0:
            rgb *= _mean_color(model, texture)
    red, green, blue = (int(value) for value in np.clip(np.rint(255 * rgb), 0, 255))
    return red, green, blue


def _mean_color(model: mujoco.MjModel, texture: int) -> Doubles:
    """(3,), 0 to 1."""
    channels = model.tex_nchannel[texture]
    first, count = model.tex_adr[texture], model.tex_width[texture] * model.tex_height[texture] * channels
    mean: Doubles = model.tex_data[first : first + count].reshape(-1, channels).mean(axis=0) / 255
    return mean[:3] if channels >= 3 else np.repeat(mean[0], 3)


def _merged(model: mujoco.MjModel, body: int, color: Color, opacity: float, geoms: Sequence[int]) -> VisualMesh:
    vertices, triangles, before = [], [], 0
    for geom in geoms:
        own, corners = _triangles(model, geom)
        vertices.append(own @ rotation_matrix(model.geom_quat[geom]).T + model.geom_pos[geom])
        triangles.append(corners + before)
        before += len(own)
    return VisualMesh(
        body=body,
        geoms=tuple(geoms),
        vertices=np.concatenate(vertices).astype(np.float32),
        triangles=np.concatenate(triangles).astype(np.int32),
        color=color,
        opacity=opacity,
    )


def _triangles(model: mujoco.MjModel, geom: int) -> tuple[Floats | Doubles, Triangles]:
    """Vertices (V, 3) in m and triangles (F, 3) of a geom, in its own frame."""
    kind, size = int(model.geom_type[geom]), model.geom_size[geom]
    if kind in _SHAPES:
        shape = _SHAPES[kind](size)
        return np.asarray(shape.vertices), np.asarray(shape.faces, np.int32)
    mesh = model.geom_dataid[geom]
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    vertices = model.mesh_vert[first : first + count]
    first, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    return vertices, model.mesh_face[first : first + count]


def _capsule(size: Doubles) -> trimesh.Trimesh:
    return trimesh.creation.capsule(height=2 * size[1], radius=size[0], count=(SEGMENTS, SEGMENTS))


def _cylinder(size: Doubles) -> trimesh.Trimesh:
    shape: trimesh.Trimesh = trimesh.creation.cylinder(radius=size[0], height=2 * size[1], sections=SEGMENTS)
    return shape


def _ellipsoid(size: Doubles) -> trimesh.Trimesh:
    shape = trimesh.creation.uv_sphere(radius=1.0, count=(SEGMENTS, SEGMENTS))
    shape.vertices *= size
    return shape


def _plane(size: Doubles) -> trimesh.Trimesh:
    sides = [2 * half if half > 0 else PLANE_SIDE for half in size[:2]]
    x, y = sides[0] / 2, sides[1] / 2
    return trimesh.Trimesh([[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]], [[0, 1, 2], [0, 2, 3]], process=False)


_SHAPES = {
    int(mujoco.mjtGeom.mjGEOM_BOX): lambda size: trimesh.creation.box(extents=2 * size),
    int(mujoco.mjtGeom.mjGEOM_SPHERE): lambda size: _ellipsoid(np.repeat(size[0], 3)),
    int(mujoco.mjtGeom.mjGEOM_CAPSULE): _capsule,
    int(mujoco.mjtGeom.mjGEOM_CYLINDER): _cylinder,
    int(mujoco.mjtGeom.mjGEOM_ELLIPSOID): _ellipsoid,
    int(mujoco.mjtGeom.mjGEOM_PLANE): _plane,
}
_MESHES = (int(mujoco.mjtGeom.mjGEOM_MESH), int(mujoco.mjtGeom.mjGEOM_SDF))
