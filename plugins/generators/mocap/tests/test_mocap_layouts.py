"""Files of other programs: a walk of nil's own robots, written as each of them writes, is read as it was."""

from __future__ import annotations

import json
import pickle
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nil_core.api import DataError, RobotSpec
from nil_generator_mocap import MocapOptions
from nil_generator_mocap.mapping import map_joints
from nil_generator_mocap.orders import ORDERS
from nil_generator_mocap.recording import Recording, read_raw
from nil_generator_mocap.search import resolve

RATE, SAMPLES, SPEED = 50.0, 80, 1.2
HEADING = 0.9  # rad; with it the two orders of a quaternion do not both stand
STEP = {"g1": 1.1, "h1": 1.1, "a1": 2.2}  # Hz
G1_ISAAC = (  # Isaac Lab's order of the G1's 29 joints, as its users print it
    "left_hip_pitch right_hip_pitch waist_yaw left_hip_roll right_hip_roll waist_roll left_hip_yaw right_hip_yaw "
    "waist_pitch left_knee right_knee left_shoulder_pitch right_shoulder_pitch left_ankle_pitch right_ankle_pitch "
    "left_shoulder_roll right_shoulder_roll left_ankle_roll right_ankle_roll left_shoulder_yaw right_shoulder_yaw "
    "left_elbow right_elbow left_wrist_roll right_wrist_roll left_wrist_pitch right_wrist_pitch left_wrist_yaw "
    "right_wrist_yaw"
).split()
H1_ISAAC = (
    "left_hip_yaw right_hip_yaw torso left_hip_roll right_hip_roll left_shoulder_pitch right_shoulder_pitch "
    "left_hip_pitch right_hip_pitch left_shoulder_roll right_shoulder_roll left_knee right_knee left_shoulder_yaw "
    "right_shoulder_yaw left_ankle right_ankle left_elbow right_elbow"
).split()
GO2_ISAAC = [f"{leg}_{joint}" for joint in ("hip", "thigh", "calf") for leg in ("fl", "fr", "rl", "rr")]


@dataclass
class Robot:
    """A robot of nil's on a floor: what a generator gets, but for pictures."""

    spec: RobotSpec
    model: Any
    standing_qpos: Any


@dataclass(frozen=True)
class Walk:
    """What a walk is: world z up, quaternions w first, joints by their plain names, bodies in the model's order."""

    position: Any
    quaternions: Any
    joints: Mapping[str, Any]
    bodies: Any


@cache
def robot(name: str) -> Robot:
    found = [point for point in entry_points(group="nil.robots") if point.name == name]
    if not found:
        pytest.skip(f"robot {name} is not installed")
    card = found[0].load()
    module, _, attribute = card.target.partition(":")
    built = getattr(import_module(module), attribute)(card.config())
    drawn = built.build()
    drawn.worldbody.add_geom(name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1])
    model = drawn.compile()
    spec = built.spec
    standing = mujoco.MjData(model).qpos.copy()
    address = int(model.joint(model.body(spec.root).jntadr[0]).qposadr[0])
    standing[address + 2] = spec.standing_height
    for joint, angle in spec.standing_pose.items():
        standing[model.joint(joint).qposadr[0]] = angle
    return Robot(spec, model, standing)


def plain(joint: str) -> str:
    return joint.lower().removesuffix("_joint")


@cache
def walk(name: str, heading: float = HEADING) -> Walk:
    """Legs swing in turn, and the root goes as the foot on the floor makes it: no foot slides."""
    made = robot(name)
    times = np.arange(SAMPLES) / RATE
    poses = np.tile(made.standing_qpos, (SAMPLES, 1))
    pitches = ("hip_pitch", "thigh")
    for actuator in made.spec.actuators:
        joint = plain(actuator.joint)
        left = joint.startswith("left") or joint[:2] in ("fl", "rr")
        phase = 2 * np.pi * STEP[name] * times + (np.pi if left else 0)
        column = int(made.model.joint(actuator.joint).qposadr[0])
        if joint.endswith(pitches):
            poses[:, column] += 0.25 * np.sin(phase)
        elif joint.endswith(("knee", "calf")):
            bend = 0.5 * np.maximum(np.cos(phase), 0)
            poses[:, column] += -bend if joint.endswith("calf") else bend
        elif joint.endswith("shoulder_pitch"):
            poses[:, column] -= 0.3 * np.sin(phase)
    root = int(made.model.joint(made.model.body(made.spec.root).jntadr[0]).qposadr[0])
    sway = Rotation.from_euler("ZYX", np.stack([0 * times, 0.03 + 0.02 * np.sin(9 * times), 0.02 * np.cos(9 * times)], 1))
    poses[:, root + 3 : root + 7] = (Rotation.from_euler("z", heading) * sway).as_quat(scalar_first=True)
    feet = np.array([positions(made, pose)[1] for pose in poses])
    for i in range(1, SAMPLES):
        lowest = int((feet[i - 1] + feet[i])[:, 2].argmin())
        poses[i, root : root + 2] = poses[i - 1, root : root + 2] + (feet[i - 1] - feet[i])[lowest, :2]
    joints = {plain(a.joint): poses[:, int(made.model.joint(a.joint).qposadr[0])] for a in made.spec.actuators}
    bodies = np.array([positions(made, pose)[0] for pose in poses])
    return Walk(poses[:, root : root + 3], poses[:, root + 3 : root + 7], joints, bodies)


def positions(made: Robot, pose: Any) -> tuple[Any, Any]:
    data = mujoco.MjData(made.model)
    data.qpos[:] = pose
    mujoco.mj_kinematics(made.model, data)
    feet = [made.model.geom(name).id for name in made.spec.feet]
    return data.xpos[made.model.body(made.spec.root).id :].copy(), data.geom_xpos[feet].copy()


def table(of: Walk, order: list[str]) -> Any:
    still = np.zeros(SAMPLES)
    return np.stack([of.joints.get(joint, still) for joint in order], axis=1)


def order(robot_name: str, name: str, count: int) -> list[str]:
    return next(
        list(row.joints) for row in ORDERS if (row.robot, row.name, len(row.joints)) == (robot_name, name, count)
    )


def xyzw(quaternions: Any) -> Any:
    return np.roll(quaternions, -1, axis=1)


def csv(path: Path, rows: Any, header: str = "", separator: str = ",") -> Path:
    np.savetxt(path, rows, fmt="%.7f", delimiter=separator, header=header, comments="")
    return path


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def lafan(folder: Path, of: Walk, name: str = "g1", count: int = 29) -> Path:
    return csv(folder / "walk1.csv", np.hstack([of.position, xyzw(of.quaternions), table(of, order(name, "tree", count))]))


def beyond_mimic(folder: Path, of: Walk) -> Path:
    made = robot("g1")
    names = [made.model.body(i).name for i in range(1, made.model.nbody)]
    first = [made.model.body(made.spec.root).id - 1]
    for body in first:  # breadth first
        first += [i for i in range(len(names)) if int(made.model.body_parentid[i + 1]) == body + 1]
    rotations = np.tile(of.quaternions[:, None], (1, len(first), 1))
    return npz(
        folder / "motion.npz",
        fps=np.array([RATE]),
        joint_pos=table(of, G1_ISAAC).astype(np.float32),
        joint_vel=np.zeros((SAMPLES, 29)),
        body_pos_w=of.bodies[:, first].astype(np.float32),
        body_quat_w=rotations.astype(np.float32),
    )


def mjlab(folder: Path, of: Walk) -> Path:
    rotations = np.tile(of.quaternions[:, None], (1, of.bodies.shape[1], 1))
    return npz(
        folder / "motion.npz",
        fps=RATE,
        joint_pos=table(of, order("g1", "tree", 29)),
        body_pos_w=of.bodies,
        body_quat_w=rotations,
    )


def phc(folder: Path, of: Walk) -> Path:
    clips = {
        f"{clip}/{key}": value
        for clip in ("0-walk", "0-turn")
        for key, value in {
            "root_trans_offset": of.position,
            "root_rot": xyzw(of.quaternions),
            "dof": table(of, order("h1", "tree", 19)),
            "pose_aa": np.array({"a": 1}, dtype=object),
            "fps": 50,
        }.items()
    }
    return npz(folder / "amass.npz", **clips)


def mimickit(folder: Path, of: Walk) -> Path:
    turned = Rotation.from_quat(of.quaternions, scalar_first=True).as_rotvec()
    return npz(
        folder / "walk.npz",
        fps=RATE,
        loop_mode=1,
        frames=np.hstack([of.position, turned, table(of, order("g1", "tree", 29))]),
    )


def proto_csv(folder: Path, of: Walk) -> Path:
    degrees = np.degrees(Rotation.from_quat(of.quaternions, scalar_first=True).as_euler("xyz"))
    joints = order("g1", "tree", 29)
    header = ",".join(
        ["Frame", *(f"root_translate{a}" for a in "XYZ"), *(f"root_rotate{a}" for a in "XYZ")]
        + [f"{joint}_joint_dof" for joint in joints]
    )
    number = np.arange(SAMPLES)[:, None]
    return csv(
        folder / "walk.csv", np.hstack([number, 100 * of.position, degrees, np.degrees(table(of, joints))]), header
    )


def amp(folder: Path, of: Walk) -> Path:
    legs = [f"{leg}_{joint}" for leg in ("fr", "fl", "rr", "rl") for joint in ("hip", "thigh", "calf")]
    frames = np.hstack([of.position, xyzw(of.quaternions), table(of, legs), np.zeros((SAMPLES, 42))])
    path = folder / "trot0.txt"
    path.write_text(json.dumps({"LoopMode": "Wrap", "FrameDuration": 0.02, "Frames": frames.tolist()}))
    return path


def y_up(folder: Path, of: Walk) -> Path:
    """Another program's world, in mm and degrees, with a header and the time."""
    back = Rotation.from_euler("x", -90, degrees=True)
    quaternions = (back * Rotation.from_quat(of.quaternions, scalar_first=True)).as_quat(scalar_first=True)
    names = [f"{joint}_joint" for joint in reversed(G1_ISAAC)]
    header = ";".join(["time", "x", "y", "z", "qw", "qx", "qy", "qz", *names])
    rows = [np.arange(SAMPLES)[:, None] / RATE, 1000 * back.apply(of.position), quaternions]
    rows.append(np.degrees(table(of, list(reversed(G1_ISAAC)))))
    return csv(folder / "walk.csv", np.hstack(rows), header, ";")


@pytest.mark.parametrize(
    ("name", "write", "options", "said"),
    [
        ("g1", lafan, {"rate": RATE}, {"quaternion": "xyzw", "order": "tree", "up": "z"}),
        ("h1", lambda folder, of: lafan(folder, of, "h1", 19), {"rate": RATE}, {"quaternion": "xyzw"}),
        ("g1", beyond_mimic, {}, {"quaternion": "wxyz", "order": "isaac"}),
        ("g1", mjlab, {}, {"quaternion": "wxyz", "order": "tree"}),
        ("h1", phc, {"clip": "0-walk"}, {"quaternion": "xyzw", "order": "tree"}),
        ("g1", mimickit, {}, {"quaternion": "rotation vector"}),
        ("g1", proto_csv, {"rate": RATE}, {"order": "by name", "length_unit": "cm", "angle_unit": "deg"}),
        ("a1", amp, {}, {"quaternion": "xyzw", "order": "sdk"}),
        ("g1", y_up, {}, {"up": "y", "length_unit": "mm", "angle_unit": "deg", "quaternion": "wxyz"}),
    ],
)
@pytest.mark.parametrize("heading", [HEADING, 0.0])
def test_a_walk_is_read_as_it_was(
    name: str, write: Callable[..., Path], options: dict[str, Any], said: dict[str, str], heading: float, tmp_path: Path
) -> None:
    """Along x too, where both orders of a quaternion stand upright: there the foot on the floor tells."""
    of = walk(name, heading)
    recording, facts = read(write(tmp_path, of), robot(name), **options)
    assert facts.items() >= said.items(), facts
    check(recording, of, robot(name))
    assert facts["why"] and recording.rate == pytest.approx(RATE)


def read(path: Path, made: Robot, **options: Any) -> tuple[Recording, dict[str, Any]]:
    chosen = MocapOptions(path=path, **options)
    cut = chosen.model_dump(include={"piece", "start", "rate", "clip"})
    return resolve(path, read_raw(path, **cut), made, chosen)  # type: ignore[arg-type]


def check(recording: Recording, of: Walk, made: Robot) -> None:
    np.testing.assert_allclose(recording.position - recording.position[0], (of.position - of.position[0])[:, :2], atol=1e-4)
    turned = Rotation.from_quat(recording.orientation, scalar_first=True)
    assert (turned * Rotation.from_quat(of.quaternions, scalar_first=True).inv()).magnitude().max() < 1e-3
    moved = {joint: recording.joints[source.joint] for joint, source in map_joints(recording.joints, made.spec).items()}
    assert len(moved) == len(made.spec.actuators)
    for joint, angles in moved.items():
        np.testing.assert_allclose(angles, of.joints[plain(joint)], atol=1e-4, err_msg=joint)
