"""Boxes beneath a biped's feet in place of meshes: MuJoCo lets a mesh touch in few points, and it rocks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from nil_core.api import Doubles

FLAT = 0.35  # rad between an axis of the foot and the vertical, up to which its box has the foot's own axes


@dataclass(frozen=True)
class Box:
    """A box in the frame of a body.

    Attributes:
        pos: (3,) m, its middle.
        quat: (4,) its axes.
        size: (3,) m, half its sides.
    """

    pos: Doubles
    quat: Doubles
    size: Doubles


def box_soles(model: mujoco.MjModel, data: mujoco.MjData, feet: Collection[str]) -> dict[str, Box]:
    """Boxes of the extent of the meshes among the foot geoms, by their names.

    Args:
        model: the robot.
        data: standing, forward computed.
        feet: names of the foot geoms.
    """
    geoms = [model.geom(foot).id for foot in feet]
    return {
        str(model.geom(geom).name): _box(model, data, geom)
        for geom in geoms
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH
    }


def replace_soles(spec: mujoco.MjSpec, boxes: Mapping[str, Box]) -> None:
    """Make geoms boxes, in place."""
    for name, box in boxes.items():
        geom = spec.geom(name)
        geom.type, geom.meshname = mujoco.mjtGeom.mjGEOM_BOX, ""
        geom.alt.type = mujoco.mjtOrientation.mjORIENTATION_QUAT
        geom.pos, geom.quat, geom.size = box.pos, box.quat, box.size


def _box(model: mujoco.MjModel, data: mujoco.MjData, geom: int) -> Box:
    mesh = model.geom_dataid[geom]
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    own = Rotation.from_quat(model.geom_quat[geom], scalar_first=True)
    points = own.apply(model.mesh_vert[first : first + count].astype(np.float64)) + model.geom_pos[geom]
    foot = Rotation.from_quat(data.xquat[model.geom_bodyid[geom]], scalar_first=True)
    flat = np.abs(foot.as_matrix()[2]).max() > np.cos(FLAT)
    axes = Rotation.identity() if flat else foot.inv()
    inside = axes.inv().apply(points)
    low, high = inside.min(axis=0), inside.max(axis=0)
    return Box(axes.apply((low + high) / 2), axes.as_quat(scalar_first=True), (high - low) / 2)
