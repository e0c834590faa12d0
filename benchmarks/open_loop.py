"""Open-loop playback of gaits by the PD controller: time until each robot falls, without learning.

    python benchmarks/open_loop.py [--robots h1 g1 talos a1] [--skills walking ...] [--seconds 4] [--set speed=0.8 ...]

The generator ``gait`` plans the motion. The PD targets are its joint angles at 25 Hz, each held for 0.04 s, plus the
offsets that hold the robot's weight in the standing pose: action 0 of a run with ``motion.base``. There is no feedback,
so a walk on two legs eventually falls; an early fall means that a policy has more to correct.

Columns: seconds until the fall (at most ``--seconds``); speed along x reached and planned until then, m/s; turn rate
reached and planned, rad/s; share of time steps in which the motion needs more than the action range or torque limit
(inverse dynamics, ``nil_core.testing.motion_demand``), for the worst joint; share of physics steps in which the torque
is at its limit, for the worst joint; CPU time of planning, s. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import mujoco
import numpy as np

from nil_core import registry
from nil_core.sim.driven_joints import DrivenJoints
from nil_core.sim.environment import fallen
from nil_core.sim.scene import RobotScene, compose
from nil_core.testing import motion_demand
from nil_core.types import Doubles
from nil_generator_gait import GaitOptions
from nil_generator_gait.generator import plan_gait
from nil_generator_gait.skills import SKILLS, find_skill

CONTROL_HZ, TIMESTEP = 25, 0.004


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--robots", nargs="*", default=["h1", "g1", "talos", "a1"])
    parser.add_argument("--skills", nargs="*", default=[skill.name for skill in SKILLS])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--path", help="model file of the robot mjcf")
    parser.add_argument("--set", nargs="*", default=[], metavar="OPTION=VALUE", help="options of the generator gait")
    chosen = parser.parse_args()
    options = GaitOptions.model_validate(dict(text.split("=", 1) for text in chosen.set))
    print(
        "| robot | skill | time to fall, s | speed, reached of planned, m/s | turn rate, reached of planned, rad/s "
        "| infeasible | saturated | planning, s |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for robot in chosen.robots:
        scene = compose(
            registry.build("robot", robot, {"path": chosen.path} if chosen.path else {}), "pd", TIMESTEP, 64
        )
        for skill in chosen.skills:
            began = time.process_time()
            times = np.arange(round(chosen.seconds * CONTROL_HZ) + 1) / CONTROL_HZ
            trajectory, _ = plan_gait(scene, find_skill(skill), options, times)
            planning = time.process_time() - began
            print(f"| {robot} | {skill} | {' | '.join(row(scene, trajectory))} | {planning:.1f} |", flush=True)


def row(scene: RobotScene, trajectory: Doubles) -> list[str]:
    """Table cells of one motion."""
    seconds, poses, saturated = play(scene, trajectory)
    end = round(seconds * CONTROL_HZ)
    planned, reached = ((rows[end, 0] - rows[0, 0]) / seconds for rows in (trajectory, poses))
    turn_planned, turn_reached = (yaws(rows[: end + 1])[-1] / seconds for rows in (trajectory, poses))
    demand = motion_demand(scene, trajectory, CONTROL_HZ)
    limits = np.array([(a.torque_limit, a.action_range) for a in scene.spec.actuators])
    infeasible = ((np.abs(demand.torque) > limits[:, 0]) | (np.abs(demand.correction) > limits[:, 1])).mean(axis=0)
    names = [actuator.joint for actuator in scene.spec.actuators]
    return [
        f"{seconds:.2f}",
        f"{reached:.2f} of {planned:.2f}",
        f"{turn_reached:.2f} of {turn_planned:.2f}",
        worst(names, infeasible),
        worst(names, saturated),
    ]


def play(scene: RobotScene, trajectory: Doubles) -> tuple[float, Doubles, Doubles]:
    """Seconds until the robot falls or the motion ends, poses (T, nq), share of saturated physics steps per joint."""
    model, data = scene.model, mujoco.MjData(scene.model)
    columns = DrivenJoints.of(model, scene.spec).qpos
    limits = np.array([actuator.torque_limit for actuator in scene.spec.actuators])
    root = model.body(scene.spec.root).id
    data.qpos[:] = scene.standing_qpos
    poses, saturated = [data.qpos.copy()], []
    for pose in trajectory[1:]:
        data.ctrl[:] = scene.standing_ctrl + pose[columns] - scene.standing_qpos[columns]
        for _ in range(round(1 / (CONTROL_HZ * TIMESTEP))):
            mujoco.mj_step(model, data)
            saturated.append(np.abs(data.actuator_force) > 0.99 * limits)
        poses.append(data.qpos.copy())
        if fallen(data, root, scene.spec.fall):
            break
    return (len(poses) - 1) / CONTROL_HZ, np.array(poses), np.mean(saturated, axis=0)


def yaws(poses: Doubles) -> Doubles:
    """Yaw of the root, (T,) rad, positive to the left, unwrapped."""
    w, x, y, z = poses[:, 3:7].T
    return np.unwrap(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y**2 + z**2)))


def worst(names: list[str], shares: Any) -> str:
    """The largest share and its joint."""
    most = int(np.argmax(shares))
    return f"{shares[most]:.0%} {names[most]}" if shares[most] > 0 else "0"


if __name__ == "__main__":
    main()
