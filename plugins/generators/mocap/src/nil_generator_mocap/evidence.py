"""What a robot's model says about a reading of a recording."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np

from nil_core.api import Doubles, Scene
from nil_generator_mocap.bodies import breadth_first, depth_first
from nil_generator_mocap.mapping import map_joints

LOOKED_AT = 60  # samples of a recording, evenly spaced
FREE = 2 * np.pi  # rad, beyond which a joint without a range does not turn


class Body:
    """A robot's model as a measure of motions.

    Args:
        scene: of the robot.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._model = scene.model
        self._data = mujoco.MjData(scene.model)
        self._root = scene.model.body(scene.spec.root).id
        self._address = int(scene.model.joint(scene.model.body_jntadr[self._root]).qposadr[0])
        self.height = float(scene.standing_qpos[self._address + 2])
        """M, of the root in the stand."""

    def sampled(self, length: int) -> Doubles:
        """Indices of some samples, with one after each."""
        indices: Doubles = np.unique(np.linspace(0, length - 2, min(LOOKED_AT, length - 1)).astype(int))
        return indices

    def poses(self, position: Doubles, quaternions: Doubles, joints: Mapping[str, Doubles]) -> Doubles:
        """Poses (n, nq) of a root (n, 3), (n, 4) w first, and joints by name; others stand still."""
        sources = map_joints(joints, self._scene.spec)
        poses = np.tile(self._scene.standing_qpos, (len(position), 1))
        poses[:, self._address : self._address + 3] = position
        poses[:, self._address + 3 : self._address + 7] = quaternions
        for joint, source in sources.items():
            poses[:, int(self._model.joint(joint).qposadr[0])] = joints[source.joint] + source.offset
        return poses

    def beyond_ranges(self, joints: Mapping[str, Doubles]) -> list[tuple[float, str]]:
        """Of every joint of the robot, the rad by which it is on average beyond its range, and its name."""
        found = []
        for name, source in map_joints(joints, self._scene.spec).items():
            low, high = self._range(name)
            angles = joints[source.joint] + source.offset
            found.append((float(np.maximum(np.maximum(low - angles, angles - high), 0).mean()), name))
        return found

    def misplaced(self, poses: Doubles, bodies: Doubles, isaac: bool) -> float:
        """M, mean distance of the robot's bodies in poses (n, nq) from (n, B, 3); 0 for another number of bodies."""
        order = (breadth_first if isaac else depth_first)(self._model, self._root)
        if len(order) != bodies.shape[1]:
            return 0.0
        found = []
        for pose in poses:
            self._data.qpos[:] = pose
            mujoco.mj_kinematics(self._model, self._data)
            found.append(self._data.xpos[order].copy())
        return float(np.linalg.norm(np.array(found) - bodies, axis=-1).mean())

    def slide(self, position: Doubles, quaternions: Doubles, joints: Mapping[str, Doubles], rate: float) -> float:
        """M/s, median speed over the ground of the lowest foot; 0 without feet."""
        feet = [self._model.geom(name).id for name in self._scene.spec.feet]
        if not feet:
            return 0.0
        first = self.sampled(len(position))
        where = []
        for indices in (first, first + 1):
            angles = {name: joint[indices] for name, joint in joints.items()}
            where.append(self._feet(self.poses(position[indices], quaternions[indices], angles), feet))
        lowest = (where[0] + where[1])[:, :, 2].argmin(axis=1)
        moved = (where[1] - where[0])[np.arange(len(first)), lowest, :2]
        return float(np.median(np.linalg.norm(moved, axis=-1)) * rate)

    def _feet(self, poses: Doubles, feet: list[int]) -> Doubles:
        where = np.empty((len(poses), len(feet), 3))
        for i, pose in enumerate(poses):
            self._data.qpos[:] = pose
            mujoco.mj_kinematics(self._model, self._data)
            where[i] = self._data.geom_xpos[feet]
        return where

    def _range(self, name: str) -> tuple[float, float]:
        joint = self._model.joint(name)
        low, high = joint.range if self._model.jnt_limited[joint.id] else (-FREE, FREE)
        return float(low), float(high)
