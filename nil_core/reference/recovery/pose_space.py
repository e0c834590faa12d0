"""Pose vectors of a robot: kinematics, derivatives of body points, joint limits, legs and mirror images.

A pose vector holds x, y, z (m; z above the standing pose) and roll, pitch, yaw (rad) of the root relative to the
standing pose, then the driven joints (rad). If the video's camera is unknown, three more entries describe its view
relative to the first frame's: pan to the right and down (shares of the image side; the image content moves that way)
and the logarithm of the zoom about the image center.
"""

from __future__ import annotations

import mujoco
import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from nil_core.sim.body_tree import ancestors
from nil_core.sim.driven_joints import DrivenJoints
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles

ROOT = 6
"""Number of root entries in a pose vector."""

VIEW = 3
"""Number of entries for the video's camera, if it is unknown."""

_MIN_PITCH_COSINE = 0.7  # between the sideways axis and the axis of a joint that swings forward and back
_SOLE_THICKNESS = 0.008  # m; points of a foot this close to its lowest one touch the floor in the standing pose
_MIN_LEG_JOINTS = 3  # joints that are needed to place a foot
_RIM_POINTS = 12  # around the rim of a cylinder


class PoseSpace:
    """The pose vectors of one robot.

    Args:
        scene: robot, model and standing pose.
        camera: whether pose vectors also hold the pan and zoom of the video's camera.

    Attributes:
        size: entries of a pose vector, n = 6 + joints, and 3 with the camera.
        camera: as given.
        joints: slice of a pose vector, the driven joints.
        view: slice of a pose vector, the camera; empty if it is known.
        stand: float64 (n,), the standing pose.
        lower, upper: float64 (n,), limits; infinite for the root and the camera.
        pitching: bool (joints,), joints that swing forward and back.
        legs: indices of the pose vector, one array for each foot: the joints between root and foot, without those that
            move several feet (a waist, a spine), unless a leg would keep fewer than three.
        leg_joints: bool (joints,), joints that belong to a leg.
        hip_height: height of the hips above the floor in the standing pose, m.
        mirror: int (joints,), the joint on the other side (itself for joints in the middle).
        mirror_sign: float64 (joints,): a joint's angle is this times the angle of its mirror image.
        root: body id of the root.
    """

    def __init__(self, scene: RobotScene, camera: bool = False) -> None:
        self.model = scene.model
        self.data = mujoco.MjData(scene.model)
        self._standing = scene.standing_qpos.copy()
        self._upright = Rotation.from_quat(self._standing[3:7], scalar_first=True)
        model, spec = scene.model, scene.spec
        driven = DrivenJoints.of(model, spec)
        self._joints, self.addresses = driven.ids, driven.qpos
        self.camera = camera
        self.joints = slice(ROOT, ROOT + len(self._joints))
        self.size = self.joints.stop + VIEW * camera
        self.view = slice(self.joints.stop, self.size)
        self.root = int(model.body(spec.root).id)
        self.stand: Doubles = np.zeros(self.size)
        self.stand[self.joints] = self._standing[self.addresses]
        self.lower = np.full(self.size, -np.inf)
        self.upper = np.full(self.size, np.inf)
        self.lower[self.joints] = np.where(np.isinf(driven.lower), -np.pi, driven.lower)
        self.upper[self.joints] = np.where(np.isinf(driven.upper), np.pi, driven.upper)
        self._moves = self._movement_mask()
        self.place(self.stand)
        self.pitching = np.abs(self.data.xaxis[self._joints][:, 1]) > _MIN_PITCH_COSINE
        self._feet = self._soles([model.geom(name).id for name in spec.feet])
        self.legs = self._find_legs()
        self.leg_joints = np.zeros(len(self._joints), np.bool_)
        for leg in self.legs:
            self.leg_joints[leg - ROOT] = True
        hips = [self.data.xanchor[self._joints[leg[0] - ROOT]][2] for leg in self.legs]
        self.hip_height = float(np.mean(hips)) if hips else float(self._standing[2])
        self.mirror, self.mirror_sign = self._mirror_images()

    def qpos(self, poses: Doubles) -> Doubles:
        """Convert pose vectors (..., n) to qpos, float64 (..., nq)."""
        qpos = np.tile(self._standing, (*poses.shape[:-1], 1))
        qpos[..., :2] = poses[..., :2]
        qpos[..., 2] = self._standing[2] + poses[..., 2]
        angles = poses[..., 5:2:-1].reshape(-1, 3)
        turned = Rotation.from_euler("ZYX", angles) * self._upright
        quaternions = turned.as_quat(scalar_first=True)
        qpos[..., 3:7] = quaternions.reshape(*poses.shape[:-1], 4)
        qpos[..., self.addresses] = poses[..., self.joints]
        return qpos

    def place(self, pose: Doubles) -> mujoco.MjData:
        """Compute the forward kinematics of a pose (n,). The next call overwrites the data."""
        self.data.qpos[:] = self.qpos(pose)
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        return self.data

    def clip(self, poses: Doubles) -> Doubles:
        """Clip poses to the joint limits."""
        return np.clip(poses, self.lower, self.upper)

    def rates(self, pose: Doubles, points: Doubles, weights: Doubles, bodies: npt.NDArray[np.integer]) -> Doubles:
        """Derivatives of points along given directions by the pose; call :meth:`place` with that pose first.

        Args:
            pose: (n,).
            points: (B, 3) in world coordinates.
            weights: (B, 3), directions; their lengths scale the rates.
            bodies: (B,), the body that each point belongs to.

        Returns:
            float64 (B, n): the derivative of ``weights . point`` by each entry of the pose.
        """
        axes, anchors = self._axes(pose)
        rates = np.cross(points, weights) @ axes.T - weights @ np.cross(axes, anchors).T
        rates[:, :3] = weights
        rates *= self._moves[bodies]
        return rates

    def soles(self, poses: Doubles) -> Doubles:
        """Positions of the sole points, float64 (T, C, 3), for poses (T, n)."""
        return np.stack([self._sole_points(pose)[0] for pose in poses])

    def soles_and_rates(self, poses: Doubles) -> tuple[Doubles, Doubles]:
        """Positions of the sole points (T, C, 3), and their derivatives by the pose (T, C, 3, n)."""
        points, rates = [], []
        for pose in poses:
            where, bodies = self._sole_points(pose)
            points.append(where)
            each = [self.rates(pose, where, np.tile(axis, (len(where), 1)), bodies) for axis in np.eye(3)]
            rates.append(np.stack(each, axis=1))
        return np.stack(points), np.stack(rates)

    def _sole_points(self, pose: Doubles) -> tuple[Doubles, npt.NDArray[np.integer]]:
        data = self.place(pose)
        points = [data.xpos[body] + sole @ data.xmat[body].reshape(3, 3).T for body, sole in self._feet]
        bodies = np.concatenate([np.full(len(sole), body) for body, sole in self._feet])
        return np.concatenate(points), bodies

    def _axes(self, pose: Doubles) -> tuple[Doubles, Doubles]:
        """Rotation axis (n, 3) and anchor (n, 3) of each angle of the pose; zeros for x, y and z."""
        axes, anchors = np.zeros((self.size, 3)), np.zeros((self.size, 3))
        _, pitch, yaw = pose[3:6]
        axes[3] = [np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), -np.sin(pitch)]
        axes[4] = [-np.sin(yaw), np.cos(yaw), 0.0]
        axes[5] = [0.0, 0.0, 1.0]
        anchors[3:6] = self.data.xpos[self.root]
        axes[self.joints] = self.data.xaxis[self._joints]
        anchors[self.joints] = self.data.xanchor[self._joints]
        return axes, anchors

    def _movement_mask(self) -> Doubles:
        """(bodies, n): 1 where an entry of the pose moves a body, else 0."""
        moves = np.zeros((self.model.nbody, self.size))
        for body in range(1, self.model.nbody):
            chain = [body, *ancestors(self.model, body)]
            moves[body, self.joints] = np.isin(self.model.jnt_bodyid[self._joints], chain)
            moves[body, :ROOT] = self.root in chain
        return moves

    def _find_legs(self) -> list[npt.NDArray[np.int64]]:
        moves = np.array([self._moves[body, ROOT:] for body, _ in self._feet]) > 0
        own = moves & (moves.sum(axis=0) == 1)
        if len(own) and own.sum(axis=1).min() >= _MIN_LEG_JOINTS:
            moves = own
        return [np.flatnonzero(moved) + ROOT for moved in moves]

    def _soles(self, geoms: list[int]) -> list[tuple[int, Doubles]]:
        """Each foot's body, and the points of its sole in its frame (C, 3); the data must hold the standing pose."""
        bodies = dict.fromkeys(int(self.model.geom_bodyid[geom]) for geom in geoms)
        feet = []
        for body in bodies:
            points = np.concatenate(
                [_lower_points(self.model, self.data, g) for g in geoms if self.model.geom_bodyid[g] == body]
            )
            low = points[points[:, 2] < points[:, 2].min() + _SOLE_THICKNESS]
            corners = _corners(low)
            feet.append((body, (corners - self.data.xpos[body]) @ self.data.xmat[body].reshape(3, 3)))
        return feet

    def _mirror_images(self) -> tuple[npt.NDArray[np.int64], Doubles]:
        """Mirror image of each joint across the sagittal plane, from the joints' geometry at angle 0."""
        flip = np.array([1.0, -1.0, 1.0])
        self.place(np.zeros(self.size))
        anchors = self.data.xanchor[self._joints] - self.data.xpos[self.root]
        axes = self.data.xaxis[self._joints]
        images, signs = np.arange(len(anchors)), np.ones(len(anchors))
        for i in range(len(anchors)):
            # A reflection turns a rotation about an axis a into one about the reflected -a.
            parallel = axes @ (-flip * axes[i])
            distance = np.linalg.norm(anchors - flip * anchors[i], axis=1) + (1 - np.abs(parallel))
            nearest = int(distance.argmin())
            if distance[nearest] < 0.05 * max(self.hip_height, 0.2):
                images[i], signs[i] = nearest, np.sign(parallel[nearest])
        return images, signs


def _lower_points(model: mujoco.MjModel, data: mujoco.MjData, geom: int) -> Doubles:
    """Points (C, 3) of a geom's surface in world coordinates, including those that touch the floor first."""
    kinds, size = mujoco.mjtGeom, model.geom_size[geom]
    center, axes = data.geom_xpos[geom], data.geom_xmat[geom].reshape(3, 3)
    kind = model.geom_type[geom]
    down = np.array([0.0, 0.0, -1.0])
    if kind == kinds.mjGEOM_SPHERE:
        return np.array([center + size[0] * down])
    if kind == kinds.mjGEOM_CAPSULE:
        return np.array([center + end * size[1] * axes[:, 2] + size[0] * down for end in (-1, 1)])
    if kind == kinds.mjGEOM_BOX:
        return np.array([center + axes @ (size * (2 * np.array(corner) - 1)) for corner in np.ndindex(2, 2, 2)])
    if kind == kinds.mjGEOM_CYLINDER:
        turn = np.linspace(0, 2 * np.pi, _RIM_POINTS, endpoint=False)
        rim = size[0] * (np.cos(turn)[:, None] * axes[:, 0] + np.sin(turn)[:, None] * axes[:, 1])
        return np.concatenate([center + end * size[1] * axes[:, 2] + rim for end in (-1, 1)])
    if kind == kinds.mjGEOM_ELLIPSOID:
        pull = axes.T @ down
        return np.array([center + axes @ (size**2 * pull / np.linalg.norm(size * pull))])
    if kind == kinds.mjGEOM_MESH:
        mesh = model.geom_dataid[geom]
        first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        vertices: Doubles = model.mesh_vert[first : first + count] @ axes.T + center
        return vertices
    return np.array([center])


def _corners(points: Doubles) -> Doubles:
    """At most four of the points (C, 3): the outermost ones of a sole, which determine its orientation."""
    if len(points) <= 4:
        return points
    x, y = (points - points.mean(axis=0))[:, :2].T
    picked = dict.fromkeys(int((x * a + y * b).argmax()) for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1)))
    return points[list(picked)]
