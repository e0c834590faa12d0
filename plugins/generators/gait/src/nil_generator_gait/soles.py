"""Contact area of the soles of a standing robot."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import mujoco
import numpy as np

from nil_core.api import Doubles

SOLE_TOLERANCE = 0.01  # m; points at most this far above the lowest point belong to the sole
BOX_CORNERS = np.array(list(itertools.product((-1, 1), repeat=3)))


@dataclass(frozen=True)
class Sole:
    """Bounding rectangle of a sole, aligned with the world axes in the standing pose.

    Attributes:
        middle: (2,) m, world coordinates.
        half: (2,) m, half length and half width; 0 for a point.
    """

    middle: Doubles
    half: Doubles


def find_sole(model: mujoco.MjModel, standing: mujoco.MjData, geoms: Iterable[int]) -> Sole:
    """Bounding rectangle of the contact points of a foot's geoms with the floor.

    Args:
        model: of the robot.
        standing: data in the standing pose, with kinematics computed.
        geoms: ids of one foot's geoms.
    """
    points = np.concatenate([_lowest_points(model, standing, geom) for geom in geoms])
    touching = points[points[:, 2] < points[:, 2].min() + SOLE_TOLERANCE, :2]
    low, high = touching.min(axis=0), touching.max(axis=0)
    return Sole((low + high) / 2, (high - low) / 2)


def _lowest_points(model: mujoco.MjModel, data: mujoco.MjData, geom: int) -> Doubles:
    """(P, 3) m, world coordinates: candidate contact points; for round geoms the point below their center."""
    kinds, kind = mujoco.mjtGeom, model.geom_type[geom]
    size, radius = model.geom_size[geom], 0.0
    if kind == kinds.mjGEOM_BOX:
        local = BOX_CORNERS * size
    elif kind == kinds.mjGEOM_CAPSULE:
        local, radius = np.array([[0, 0, size[1]], [0, 0, -size[1]]]), size[0]
    elif kind == kinds.mjGEOM_CYLINDER:
        local = BOX_CORNERS * [size[0], size[0], size[1]]
    elif kind == kinds.mjGEOM_MESH:
        mesh = model.geom_dataid[geom]
        start, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        local = model.mesh_vert[start : start + count].astype(float)
    else:
        local, radius = np.zeros((1, 3)), size[2] if kind == kinds.mjGEOM_ELLIPSOID else size[0]
    points: Doubles = data.geom_xpos[geom] + local @ data.geom_xmat[geom].reshape(3, 3).T
    points[:, 2] -= radius
    return points
