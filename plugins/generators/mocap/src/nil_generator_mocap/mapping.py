"""Which joint of a recording moves which joint of a robot.

LocoMuJoCo's models have other joint names than those nil takes its robots from, and its first G1 another zero pose.
All axes agree (random poses through these tables give the same body orientations within 0.012 degrees), so no sign is
needed. A recording that uses the robot's own joint names, as one of the A1 does, needs no table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nil_core.api import DataError, RobotSpec
from nil_generator_mocap.orders import LACKED, plain

SIDES = {"left": "l", "right": "r"}


@dataclass(frozen=True)
class Source:
    """A joint of the recording, and the rad that the robot's own angle is greater."""

    joint: str
    offset: float = 0.0


def _h1() -> dict[str, Source]:
    table = {"torso": Source("back_bkz")}
    for side, s in SIDES.items():
        table |= {
            f"{side}_hip_yaw": Source(f"hip_rotation_{s}"),
            f"{side}_hip_roll": Source(f"hip_adduction_{s}"),
            f"{side}_hip_pitch": Source(f"hip_flexion_{s}"),
            f"{side}_knee": Source(f"knee_angle_{s}"),
            f"{side}_ankle": Source(f"ankle_angle_{s}"),
            f"{side}_shoulder_pitch": Source(f"{s}_arm_shy"),
            f"{side}_shoulder_roll": Source(f"{s}_arm_shx"),
            f"{side}_shoulder_yaw": Source(f"{s}_arm_shz"),
            f"{side}_elbow": Source(f"{side}_elbow"),
        }
    return table


def _g1() -> dict[str, Source]:
    """Version 0.4 recorded an earlier revision of the robot, whose legs are bent differently at zero."""
    table = {"waist_yaw_joint": Source("torso_joint")}
    for side in SIDES:
        same = ("hip_roll", "hip_yaw", "ankle_roll", "shoulder_pitch", "shoulder_roll", "shoulder_yaw")
        table |= {f"{side}_{joint}_joint": Source(f"{side}_{joint}_joint") for joint in same}
        table |= {
            f"{side}_hip_pitch_joint": Source(f"{side}_hip_pitch_joint", -0.1742),
            f"{side}_knee_joint": Source(f"{side}_knee_joint", 0.3347),
            f"{side}_ankle_pitch_joint": Source(f"{side}_ankle_pitch_joint", -0.1605),
            f"{side}_elbow_joint": Source(f"{side}_elbow_pitch_joint"),
            f"{side}_wrist_roll_joint": Source(f"{side}_elbow_roll_joint"),
        }
    return table


def _talos() -> dict[str, Source]:
    leg = ("hip_rotation", "hip_adduction", "hip_flexion", "knee_angle", "ankle_angle")
    arm = ("shz", "shx", "ely", "elx", "wry", "wrx")
    table = {"torso_1_joint": Source("back_bkz"), "torso_2_joint": Source("back_bky")}
    for side, s in SIDES.items():
        table |= {f"leg_{side}_{i}_joint": Source(f"{joint}_{s}") for i, joint in enumerate(leg, start=1)}
        table |= {f"arm_{side}_{i}_joint": Source(f"{s}_arm_{joint}") for i, joint in enumerate(arm, start=1)}
    return table


TABLES: Mapping[str, Mapping[str, Source]] = {"h1": _h1(), "g1": _g1(), "talos": _talos()}
"""Robot to its joints to their sources."""


def map_joints(joints: Iterable[str], spec: RobotSpec) -> dict[str, Source]:
    """Where every driven joint of a robot has its motion from.

    Args:
        joints: names in the recording.
        spec: of the robot.

    Returns:
        Without the joints of :data:`nil_generator_mocap.orders.LACKED` that the recording does not have.

    Raises:
        DataError: some other joint has no motion.
    """
    joints = list(joints)
    recorded = {plain(joint): joint for joint in joints}
    own = {actuator.joint: Source(recorded.get(plain(actuator.joint), actuator.joint)) for actuator in spec.actuators}
    tables = [own, *([TABLES[spec.name]] if spec.name in TABLES else [])]
    missing = [[joint for joint, source in table.items() if source.joint not in joints] for table in tables]
    for table, lacking in zip(tables, missing, strict=True):
        if all(plain(joint) in LACKED for joint in lacking):
            return {joint: source for joint, source in table.items() if joint not in lacking}
    if len(tables) == 1 and len(missing[0]) == len(own):
        raise DataError(
            f"mocap has no joint mapping for robot {spec.name}, and the recording's joints have other names",
            f"mapped are {', '.join(TABLES)}; or name the recording's joints as the robot's: {_some(list(own))}",
        )
    fewest = min(range(len(tables)), key=lambda i: len(missing[i]))
    known = {source.joint for source in tables[fewest].values()}
    strange = [joint for joint in joints if joint not in known]
    raise DataError(
        f"the recording does not move {_some(missing[fewest])} of robot {spec.name}"
        + (f"; unknown joints: {_some(strange)}" if strange else ""),
        "take a recording of the same robot, or another --robot",
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
