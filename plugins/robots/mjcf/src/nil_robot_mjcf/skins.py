"""Skins, which bend over several bodies, as one rigid mesh for each body: what shows a pixel then is one body."""

from __future__ import annotations

import mujoco
import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from nil_core.api import Doubles, plain_default
from nil_robot_mjcf.geom_groups import VISUAL

FEWEST = 4  # triangles of a mesh


def replace_skins(spec: mujoco.MjSpec) -> None:
    """Replace the skins of a robot by visual meshes, in place.

    Each triangle goes to the body that moves one of its corners most; at a border, to both, so that bent joints show no
    gaps.

    Args:
        spec: the robot alone; must compile.
    """
    if not spec.skins:
        return
    model = spec.compile()
    for skin in range(model.nskin):
        _add_meshes(spec, model, skin)
    for skin in spec.skins:
        spec.delete(skin)


def _add_meshes(spec: mujoco.MjSpec, model: mujoco.MjModel, skin: int) -> None:
    rows = _rows(model.skin_vertadr[skin], model.skin_vertnum[skin])
    vertices = model.skin_vert[rows].astype(np.float64)
    triangles = model.skin_face[_rows(model.skin_faceadr[skin], model.skin_facenum[skin])]
    bones = range(model.skin_boneadr[skin], model.skin_boneadr[skin] + model.skin_bonenum[skin])
    weights = np.zeros((len(bones), len(vertices)))
    for number, bone in enumerate(bones):
        moved = _rows(model.skin_bonevertadr[bone], model.skin_bonevertnum[bone])
        weights[number, model.skin_bonevertid[moved]] = model.skin_bonevertweight[moved]
    owner = weights.argmax(axis=0)
    colors = _colors(model, skin)
    for number, bone in enumerate(bones):
        own = triangles[(owner[triangles] == number).any(axis=1)]
        if len(own) < FEWEST:
            continue
        used, corners = np.unique(own, return_inverse=True)
        bind = Rotation.from_quat(model.skin_bonebindquat[bone], scalar_first=True)
        name = f"{model.skin(skin).name or 'skin'}_{skin}_{number}"
        spec.add_mesh(
            plain_default(),
            name=name,
            uservert=bind.inv().apply(vertices[used] - model.skin_bonebindpos[bone]).ravel(),
            userface=corners.ravel(),
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,  # the surface is open, and has no inertia to give
        )
        spec.body(model.body(model.skin_bonebodyid[bone]).name).add_geom(
            plain_default(),
            name=name,
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=name,
            rgba=[*colors[used].mean(axis=0), 1.0],
            group=VISUAL,
            contype=0,
            conaffinity=0,
            mass=0,
        )


def _colors(model: mujoco.MjModel, skin: int) -> Doubles:
    """Red, green and blue, 0 ... 1, at each vertex (V, 3)."""
    count, material = model.skin_vertnum[skin], model.skin_matid[skin]
    if material < 0:
        return np.tile(model.skin_rgba[skin, :3].astype(np.float64), (count, 1))
    color = model.mat_rgba[material, :3].astype(np.float64)
    texture = model.mat_texid[material, mujoco.mjtTextureRole.mjTEXROLE_RGB]
    if texture < 0 or model.skin_texcoordadr[skin] < 0:
        return np.tile(color, (count, 1))
    height, width, channels = model.tex_height[texture], model.tex_width[texture], model.tex_nchannel[texture]
    first = model.tex_adr[texture]
    pixels = model.tex_data[first : first + height * width * channels].reshape(height, width, channels)
    places = model.skin_texcoord[_rows(model.skin_texcoordadr[skin], count)] % 1
    x, y = (places * (width, height)).astype(np.int64).T
    result: Doubles = color * pixels[y, x, :3] / 255
    return result


def _rows(first: int, count: int) -> npt.NDArray[np.int64]:
    return np.arange(first, first + count)
