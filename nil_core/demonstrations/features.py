"""Features of a robot's state that adversarial imitation compares: those of AMP, from spec and model alone."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np

from nil_core.demonstrations.trajectories import Demonstrations
from nil_core.sim.body_tree import ancestors
from nil_core.sim.driven_joints import DrivenJoints
from nil_core.types import Doubles, Floats, RobotSpec


class StateFeatures:
    """Features of states (Peng et al. 2021, AMP), float32 (B, size), independent of where the root is and heads.

    In the order of :attr:`layout`: ``height`` (m) of the root; ``rotation``, the root's x and z axes; ``joints``, the
    angles of the driven joints (rad, as they are: the published ones are six numbers of a rotation); ``joint_speeds``
    (rad/s); ``bodies``, positions (m) of the centers of mass of :attr:`bodies` from the root's origin; ``velocity``
    (m/s) and ``angular_velocity`` (rad/s) of the root. Vectors are in the heading frame: the world's, turned about the
    vertical by the root's yaw.

    Args:
        spec: of the robot.
        model: its ``mujoco.MjModel``.

    Attributes:
        bodies: names of the key bodies: the feet, and the last body of every other limb: hands, and a head on a joint.
        layout: where each part lies.
        size: of a row.
    """

    def __init__(self, spec: RobotSpec, model: mujoco.MjModel) -> None:
        self._model = model
        self._data = mujoco.MjData(model)
        self._root = model.body(spec.root).id
        free = model.joint(int(model.body_jntadr[self._root]))
        self._qpos, self._qvel = int(free.qposadr[0]), int(free.dofadr[0])
        joints = DrivenJoints.of(model, spec)
        self._angles, self._speeds = joints.qpos, joints.qvel
        self._bodies = key_bodies(spec, model)
        self.bodies = tuple(model.body(body).name for body in self._bodies)
        sizes = {
            "height": 1,
            "rotation": 6,
            "joints": len(joints.ids),
            "joint_speeds": len(joints.ids),
            "bodies": 3 * len(self._bodies),
            "velocity": 3,
            "angular_velocity": 3,
        }
        ends = np.cumsum(list(sizes.values())).tolist()
        self.layout: Mapping[str, slice] = {
            name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)
        }
        self.size = int(ends[-1])

    def __call__(self, qpos: Doubles, qvel: Doubles) -> Floats:
        """Features (B, size) of states (B, nq) and (B, nv)."""
        rows = [self._row(position, velocity) for position, velocity in zip(qpos, qvel, strict=True)]
        return np.array(rows, np.float32).reshape(len(qpos), self.size)

    def _row(self, qpos: Doubles, qvel: Doubles) -> Doubles:
        data, root = self._data, self._root
        data.qpos[:] = qpos
        mujoco.mj_kinematics(self._model, data)
        rotation = data.xmat[root].reshape(3, 3)
        to_heading = turn_back(rotation)
        local = to_heading @ rotation
        bodies = (data.xipos[self._bodies] - data.xpos[root]) @ to_heading.T
        at = self._qvel
        return np.concatenate(
            [
                qpos[self._qpos + 2 : self._qpos + 3],
                local[:, 0],
                local[:, 2],
                qpos[self._angles],
                qvel[self._speeds],
                bodies.ravel(),
                to_heading @ qvel[at : at + 3],
                local @ qvel[at + 3 : at + 6],  # MuJoCo's is in the root's frame
            ]
        )

    def pairs(self, demonstrations: Demonstrations, hz: float) -> tuple[Floats, Floats]:
        """Features of all states (m, size), and of those 1 / hz s later; never across the end of a trajectory.

        Raises:
            DataError: the rate of the demonstrations is no multiple of ``hz``, or no trajectory is that long.
        """
        stride = demonstrations.stride(hz)
        firsts = demonstrations.pairs(stride)
        rows = self(demonstrations.qpos, demonstrations.qvel)
        return rows[firsts], rows[firsts + stride]


def turn_back(rotation: Doubles) -> Doubles:
    """The rotation (3, 3) about the vertical that undoes the yaw of a rotation (3, 3)."""
    yaw = np.arctan2(rotation[1, 0], rotation[0, 0])
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def key_bodies(spec: RobotSpec, model: mujoco.MjModel) -> list[int]:
    """Ids of the feet, in the order of the spec, and then of the other bodies that end a chain of driven joints."""
    feet = list(dict.fromkeys(int(model.geom(name).bodyid[0]) for name in spec.feet))
    driven = {int(model.joint(actuator.joint).bodyid[0]) for actuator in spec.actuators}
    inner = {above for body in driven for above in ancestors(model, body)}
    inner |= {above for foot in feet for above in ancestors(model, foot)}
    return [*feet, *sorted(driven - inner - set(feet))]
