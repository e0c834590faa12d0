"""The standing pose that a model file gives, and whether joints can be in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from nil_core.api import DataError, Doubles

OWN_POSE = "the model's own pose"
KEYFRAMES = ("home", "stand", "standing")
SCALAR_JOINTS = (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE)
SLACK = 1e-3  # rad beyond a joint's limit that rounding explains
KEYFRAME_SLACK = 0.2  # rad or m beyond a limit that is mended, with a remark


@dataclass(frozen=True)
class HomePose:
    """The standing pose that a model file gives, where the user says nothing else.

    Attributes:
        joints: hinge and slide joints of the robot that do not stand at 0 or that the user chose, to rad or m.
        orientation: (4,) quaternion of the root.
        source: where it is from, in words.
        remarks: what was changed of it, in words.
    """

    joints: dict[str, float]
    orientation: Doubles
    source: str
    remarks: tuple[str, ...]


def home_pose(model: mujoco.MjModel, root: str, keyframes: Sequence[str], chosen: Mapping[str, float]) -> HomePose:
    """The keyframe called home, stand or standing, else the first one, else the model's own pose with every joint
    moved within its limits.

    Args:
        model: everything in the file.
        root: name of the floating body.
        keyframes: names of those in the file. The model can have more, without content (``<size nkey=.../>``).
        chosen: joints to rad, by the user; they replace the file's.

    Raises:
        DataError: the keyframe bends a joint far beyond its limits, and the user says nothing else of it.
    """
    key = next((keyframes.index(name) for name in KEYFRAMES if name in keyframes), 0 if keyframes else None)
    qpos = model.qpos0 if key is None else model.key_qpos[key]
    tree = model.body_rootid[model.body(root).id]
    pose = {}
    for number in range(model.njnt):
        scalar = mujoco.mjtJoint(int(model.jnt_type[number])) in SCALAR_JOINTS
        if scalar and model.body_rootid[model.jnt_bodyid[number]] == tree:
            pose[model.joint(number).name] = float(qpos[model.jnt_qposadr[number]])
    pose |= chosen
    source = OWN_POSE if key is None else f"keyframe {keyframes[key] or key}"
    remarks = () if key is None else _judge(model, pose, source, chosen)
    pose = {name: nearest_angle(model, name, angle) for name, angle in pose.items()}
    start = model.jnt_qposadr[model.body(root).jntadr[0]]
    joints = {name: angle for name, angle in pose.items() if angle or name in chosen}
    return HomePose(joints, qpos[start + 3 : start + 7].copy(), source, remarks)


def _judge(
    model: mujoco.MjModel, pose: Mapping[str, float], source: str, chosen: Mapping[str, float]
) -> tuple[str, ...]:
    """Remarks on the joints that a keyframe bends a little beyond their limits.

    Raises:
        DataError: it bends some far beyond.
    """
    off = {name: abs(nearest_angle(model, name, angle) - angle) for name, angle in pose.items()}
    far = {name: nearest_angle(model, name, pose[name]) for name, distance in off.items() if distance > KEYFRAME_SLACK}
    if far:
        raise _outside(model, pose, far, source, chosen)
    return tuple(
        f"{source} puts joint {name} at {pose[name]:.3f}, outside its limits: it stands at "
        f"{nearest_angle(model, name, pose[name]):.3f}"
        for name, distance in off.items()
        if distance > SLACK
    )


def check_limits(model: mujoco.MjModel, pose: Mapping[str, float]) -> None:
    """Whether every joint of the option ``standing_pose`` exists and is within its limits.

    Raises:
        DataError: one is not.
    """
    source = "the option standing_pose"
    joints = [model.joint(number).name for number in range(model.njnt)]
    for name in pose:
        if name not in joints:
            raise DataError(f"{source} names no joint of the model: {name!r}", f"joints: {', '.join(sorted(joints))}")
    off = {name: nearest_angle(model, name, angle) for name, angle in pose.items()}
    off = {name: angle for name, angle in off.items() if abs(angle - pose[name]) > SLACK}
    if off:
        raise _outside(model, pose, off, source, pose)


def _outside(
    model: mujoco.MjModel,
    pose: Mapping[str, float],
    nearest: Mapping[str, float],
    source: str,
    chosen: Mapping[str, float],
) -> DataError:
    """That some joints are outside their limits, and the option that puts all of them on the nearest ones."""
    name = next(iter(nearest))
    low, high = model.joint(name).range
    more = f", and {len(nearest) - 1} more" if len(nearest) > 1 else ""
    return DataError(
        f"{source} puts joint {name} at {pose[name]:.3f}, outside its limits of {low:.3f} to {high:.3f}{more}",
        f"--set 'robot.standing_pose={inline_table({**chosen, **nearest})}', or mend the file",
    )


def inline_table(pose: Mapping[str, float]) -> str:
    """As TOML writes it; names with other than letters, digits, _ and - need quotes."""
    keys = {name: name if re.fullmatch("[A-Za-z0-9_-]+", name) else json.dumps(name) for name in pose}
    return "{" + ", ".join(f"{keys[name]} = {angle:.3f}" for name, angle in pose.items()) + "}"


def nearest_angle(model: mujoco.MjModel, name: str | int, angle: float) -> float:
    """The angle (rad) within a joint's limits that is nearest to an angle; the joint by its name or id."""
    joint = model.joint(name)
    return float(np.clip(angle, *joint.range)) if joint.limited[0] else angle
