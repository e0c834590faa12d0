"""Keeps the feet on the floor, whatever the proportions of the body that was recorded."""

from __future__ import annotations

import mujoco
import numpy as np

from nil_core.api import DataError, Doubles, Scene

FAR = 100.0  # m


def stand_on_floor(scene: Scene, trajectory: Doubles) -> Doubles:
    """Poses (T, nq) with the root raised or lowered so that the lowest foot touches the floor as in the stand.

    Raises:
        DataError: the robot has no feet.
    """
    model = scene.model
    feet = [model.geom(name).id for name in scene.spec.feet]
    if not feet:
        raise DataError(f"robot {scene.spec.name} has no feet", "name their geoms in RobotSpec.feet")
    floor = int(np.flatnonzero((model.geom_bodyid == 0) & (model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE))[0])
    height = int(model.joint(model.body(scene.spec.root).jntadr[0]).qposadr[0]) + 2
    data = mujoco.MjData(model)

    def clearance(pose: Doubles) -> float:
        data.qpos[:] = pose
        data.qpos[height] += 1.0  # distances to a plane are exact above it
        mujoco.mj_kinematics(model, data)
        return float(min(mujoco.mj_geomDistance(model, data, foot, floor, FAR, None) for foot in feet))

    standing = clearance(scene.standing_qpos)
    grounded = trajectory.copy()
    grounded[:, height] += standing - np.array([clearance(pose) for pose in trajectory])
    return grounded
