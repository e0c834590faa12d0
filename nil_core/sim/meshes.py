"""Fewer triangles to draw: a robot's visual meshes, decimated.

Drawing small frames on a CPU costs time by the triangle, and robots' meshes come with hundreds of thousands. Physics is
left as it is, to the bit: only visual geoms get new meshes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import fast_simplification
import mujoco
import numpy as np
import numpy.typing as npt

from nil_core.errors import DataError
from nil_core.runs.cache import Arrays, fingerprint, remember
from nil_core.types import Floats

Triangles = npt.NDArray[np.int32]

VISUAL_GROUP = 2
GRID = 0.001  # m; vertices in one cell are merged: meshes come as loose parts, which decimation would tear apart
AGGRESSIVENESS = 2.7  # of fast_simplification; at its default of 7 thin parts vanish, at 2.5 Talos keeps a fifth
FEWEST = 60  # triangles

_RECIPE = f"2 {GRID} {AGGRESSIVENESS} {FEWEST}"  # part of the cache's key: raise the number when the code changes


def decimate_visuals(spec: mujoco.MjSpec, ratio: float = 0.07) -> None:
    """Give every visual mesh geom (group 2) of a spec a decimated mesh of its own; colliders keep theirs.

    Args:
        spec: changed in place; must compile.
        ratio: share of the triangles to keep. A wish: shapes that would suffer keep more.

    Raises:
        DataError: the model does not compile; a mesh that cannot be read is named.
    """
    geoms = [g for g in spec.geoms if g.type == mujoco.mjtGeom.mjGEOM_MESH and g.group == VISUAL_GROUP]
    names = sorted({geom.meshname for geom in geoms})  # one order in every process, so that equal models hash equally
    model = cache(lambda: compiled(spec))  # which takes half a second, and only what is new needs it
    light = {name: _cached_decimation(spec, name, model, ratio) for name in names}
    for name, (vertices, triangles) in light.items():
        spec.add_mesh(
            name=f"{name}_visual",
            uservert=vertices.ravel(),
            userface=triangles.ravel(),
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,  # the surface may be open, and has no inertia to give
        )
    for geom in geoms:
        geom.meshname = f"{geom.meshname}_visual"
    unused = set(names) - {geom.meshname for geom in spec.geoms}
    for name in unused:
        spec.delete(spec.mesh(name))


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


def decimate(vertices: Floats, triangles: Triangles, ratio: float) -> tuple[Floats, Triangles]:
    """Merge vertices on a 1 mm grid, then collapse the edges that matter least (quadric error).

    Args:
        vertices: float32 (V, 3), m.
        triangles: int32 (F, 3), indices of vertices.
        ratio: share of the triangles to keep, as far as the shape allows.

    Returns:
        fewer vertices and triangles, or the very same if there is nothing to gain.
    """
    target = max(int(len(triangles) * ratio), FEWEST)
    merged_vertices, merged = _merge(vertices, triangles)
    if len(merged) > target:
        merged_vertices, merged = fast_simplification.simplify(
            merged_vertices, merged, target_count=target, agg=AGGRESSIVENESS
        )
    if not 4 <= len(merged) < len(triangles):
        return vertices, triangles
    return merged_vertices.astype(np.float32), merged.astype(np.int32)


def _source(spec: mujoco.MjSpec, name: str) -> tuple[Any, ...]:
    """What MuJoCo would make a mesh from; nothing if that is not a file, or the file is not where it should be."""
    mesh = spec.mesh(name)
    path = Path(spec.modelfiledir, spec.meshdir, mesh.file)
    content = spec.assets.get(mesh.file) or (path.read_bytes() if path.is_file() else None)
    if content is None:
        return ()
    placed = [mesh.scale.tolist(), mesh.refpos.tolist(), mesh.refquat.tolist()]
    return mujoco.__version__, path.suffix, content, *placed


def _geometry(model: mujoco.MjModel, name: str) -> tuple[Floats, Triangles]:
    """Vertices (V, 3) in m and triangles (F, 3) of a compiled mesh, in the frame of its file.

    MuJoCo reads every format, and applies scale and offset.
    """
    mesh = model.mesh(name).id
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    centred = model.mesh_vert[first : first + count].astype(np.float64)
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, model.mesh_quat[mesh])
    vertices = (centred @ rotation.reshape(3, 3).T + model.mesh_pos[mesh]).astype(np.float32)
    first, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    return vertices, model.mesh_face[first : first + count].copy()


def _merge(vertices: Floats, triangles: Triangles) -> tuple[Floats, Triangles]:
    """One vertex, the mean, for each occupied cell of the grid; triangles within a cell or doubled vanish."""
    cells = np.round(vertices / GRID).astype(np.int64)
    _, cell, count = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(cell, axis) for axis in vertices.T], axis=1) / count[:, None]
    corners = cell[triangles]
    a, b, c = corners.T
    corners = corners[(a != b) & (b != c) & (c != a)]
    _, first = np.unique(np.sort(corners, axis=1), axis=0, return_index=True)
    used, corners = np.unique(corners[np.sort(first)], return_inverse=True)
    return means[used].astype(np.float32), corners.reshape(-1, 3).astype(np.int32)


def _cached_decimation(
    spec: mujoco.MjSpec, name: str, model: Callable[[], mujoco.MjModel], ratio: float
) -> tuple[Floats, Triangles]:
    def make() -> Arrays:
        fewer_vertices, fewer = decimate(*_geometry(model(), name), ratio)
        return {"vertices": fewer_vertices, "triangles": fewer}

    source = _source(spec, name) or _geometry(model(), name)
    found, _ = remember("meshes", fingerprint(_RECIPE, ratio, *source), make, ("vertices", "triangles"))
    return found["vertices"], found["triangles"]
