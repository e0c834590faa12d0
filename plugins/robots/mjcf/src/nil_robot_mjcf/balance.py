"""A pose, moved as little as lets the robot stand: soles flat on one floor, the center of mass above them."""

from __future__ import annotations

from collections.abc import Collection

import mujoco
import numpy as np
from mujoco import minimize

from nil_core.api import Doubles
from nil_robot_mjcf.standing import Leg

BIPED = 2  # legs
OFF_CENTER = 0.2  # of the extent of the feet; where the center of mass is farther from their middle, more legs need it
EFFORT = 0.02  # m/rad; so little that only angles which do not matter stay for its sake
STRADDLE = 0.1  # weight of feet beneath the hips, where the file says nothing of a stance


def balance(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    legs: Collection[Leg],
    fixed: Collection[int],
    narrow: bool,
) -> dict[str, float]:
    """Angles (rad) of the leg joints with which a robot stands, by joint.

    On two legs the center of mass comes to lie halfway between ankles and the middle of the soles, where neither heels
    nor toes are near, and weak ankles have little to hold; on more, in the middle of the feet.

    Args:
        model: the robot on a plane.
        data: in the pose to start from; used as working memory.
        legs: all.
        fixed: joints that must not move.
        narrow: bring the feet beneath the hips.
    """
    joints = [joint for leg in legs for joint in (*leg.joints, *leg.toes) if joint not in fixed]
    if not joints:
        return {}
    columns = model.jnt_qposadr[joints]
    start = data.qpos[columns].copy()
    limited = model.jnt_limited[joints].astype(bool)
    low = np.where(limited, model.jnt_range[joints, 0], -np.pi)
    high = np.where(limited, model.jnt_range[joints, 1], np.pi)

    def residual(angles: Doubles) -> Doubles:
        return np.stack([_residual_of(angle) for angle in angles.T], axis=1)

    def _residual_of(angles: Doubles) -> Doubles:
        data.qpos[columns] = angles
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        soles = [_sole(model, data, leg.soles) for leg in legs]
        if len(legs) > BIPED:
            soles = [sole[sole[:, 2].argmin()][None] for sole in soles]
        points = np.concatenate(soles)
        support = np.mean([sole.mean(axis=0) for sole in soles], axis=0)[:2]
        if len(legs) == BIPED:
            ankles = np.mean([data.xanchor[leg.joints[-1], :2] for leg in legs], axis=0)
            support = (support + ankles) / 2
        parts = [points[:, 2] - points[:, 2].mean(), data.subtree_com[0, :2] - support, EFFORT * (angles - start)]
        if narrow:
            hips = [data.xanchor[leg.joints[0], 1] for leg in legs]
            parts.append(STRADDLE * (np.array([sole[:, 1].mean() for sole in soles]) - hips))
        return np.concatenate(parts)

    found, _ = minimize.least_squares(
        np.clip(start, low, high), residual, bounds=[low, high], verbose=minimize.Verbosity.SILENT
    )
    return {str(model.joint(joint).name): float(angle) for joint, angle in zip(joints, found, strict=True)}


def is_off_center(data: mujoco.MjData, legs: Collection[Leg]) -> bool:
    """Whether the center of mass is far from the middle of the feet."""
    feet = np.array([data.geom_xpos[list(leg.soles), :2].mean(axis=0) for leg in legs])
    offset = np.linalg.norm(data.subtree_com[0, :2] - feet.mean(axis=0))
    return bool(offset > OFF_CENTER * np.linalg.norm(np.ptp(feet, axis=0)))


def _sole(model: mujoco.MjModel, data: mujoco.MjData, geoms: Collection[int]) -> Doubles:
    """World points (P, 3) m that all touch the floor where the foot is flat on it."""
    points = []
    for geom in geoms:
        rotation = data.geom_xmat[geom].reshape(3, 3)
        center = data.geom_xpos[geom] + rotation @ model.geom_aabb[geom, :3]
        half = model.geom_aabb[geom, 3:]
        if model.geom_type[geom] in (mujoco.mjtGeom.mjGEOM_SPHERE, mujoco.mjtGeom.mjGEOM_CAPSULE):
            radius = model.geom_size[geom, 0]
            spine = (half[2] - radius) * rotation[:, 2]
            points += [center + spine - (0, 0, radius), center - spine - (0, 0, radius)]
            continue
        down = int(np.abs(rotation[2]).argmax())  # the axis of its own that is closest to the vertical
        across, along = (half[axis] * rotation[:, axis] for axis in range(3) if axis != down)
        bottom = center - np.sign(rotation[2, down]) * half[down] * rotation[:, down]
        points += [bottom + a * across + b * along for a in (-1, 1) for b in (-1, 1)]
    return np.array(points)
