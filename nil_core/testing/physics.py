"""Robots in motion, for the tests of robots."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np

from nil_core.config import ControlMode
from nil_core.interfaces import Robot
from nil_core.sim.scene import RobotScene, compose
from nil_core.types import Doubles

TIMESTEP = 0.004


def robot_scene(robot: Robot, control: ControlMode = "pd") -> RobotScene:
    """The robot settled on the core's floor, its actuators ready; frames of 224 pixels."""
    return compose(robot, control, TIMESTEP, render_size=224)


def roll_out(scene: RobotScene, actions: Doubles, height: float = 0.0) -> Doubles:
    """Simulate from the settled stand.

    Args:
        scene: of the robot.
        actions: float64 (T, nu) in [-1, 1], each held for one control step of the robot's own rate.
        height: m to lift the robot above the floor at the start.

    Returns:
        float64 (T + 1, nq): the start, and the pose after every action.
    """
    data = mujoco.MjData(scene.model)
    data.qpos[:] = scene.standing_qpos
    data.qpos[2] += height
    poses = [data.qpos.copy()]
    for action in actions:
        data.ctrl[:] = scene.standing_ctrl + scene.action_scale * action
        mujoco.mj_step(scene.model, data, max(1, round(1 / (scene.spec.control_hz * TIMESTEP))))
        poses.append(data.qpos.copy())
    return np.array(poses)


def root_upright(scene: RobotScene, pose: Doubles) -> float:
    """Cosine of the angle between the root's vertical and the world's."""
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, pose[3:7])
    return float(rotation[8])


def mirror_actions(scene: RobotScene, actions: Doubles, mirror: Mapping[str, tuple[str, int]]) -> Doubles:
    """Actions (T, nu) of the robot's mirror image.

    Args:
        scene: of the robot.
        actions: to mirror.
        mirror: for every driven joint the joint that it becomes, and 1 or -1 where that turns the other way.
    """
    names = [actuator.joint for actuator in scene.spec.actuators]
    mirrored = np.empty_like(actions)
    for i, name in enumerate(names):
        partner, sign = mirror[name]
        mirrored[:, names.index(partner)] = sign * actions[:, i]
    return mirrored


def mirror_poses(scene: RobotScene, poses: Doubles, mirror: Mapping[str, tuple[str, int]]) -> Doubles:
    """Poses (T, nq) of the robot's mirror image; see :func:`mirror_actions`. The mirror is the plane y = 0."""
    mirrored = poses.copy()
    mirrored[:, [1, 4, 6]] *= -1  # y, and the turns about x and z
    for name, (partner, sign) in mirror.items():
        mirrored[:, _address(scene, partner)] = sign * poses[:, _address(scene, name)]
    return mirrored


def _address(scene: RobotScene, joint: str) -> int:
    return int(scene.model.joint(joint).qposadr[0])
