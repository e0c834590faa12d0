"""The orders in which robots' joints are written where a file does not name them.

``tree`` is that of the robot's URDF and MJCF (depth first), of Unitree's CSV files, GMR, PHC, ProtoMotions and
MimicKit; ``isaac`` that of Isaac Lab (breadth first); ``sdk`` that of the motors in Unitree's SDK, where it is another;
``asap`` that of the 23 joints of ASAP and HumanoidVerse. One more order is one more row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    """Joints of a robot in an order, without ``_joint``; empty is a column that no joint has."""

    robot: str
    name: str
    joints: tuple[str, ...]


@dataclass(frozen=True)
class Limb:
    """A chain of joints, and how many joints lie between its first one and the root."""

    joints: tuple[str, ...]
    depth: int = 0


def limb(prefix: str, joints: str, depth: int = 0) -> Limb:
    """A limb from its joints in one line of text."""
    return Limb(tuple(prefix + joint for joint in joints.split()), depth)


def tree(limbs: Sequence[Limb]) -> tuple[str, ...]:
    """Depth first: one limb after the other."""
    return tuple(joint for chain in limbs for joint in chain.joints)


def breadth_first(limbs: Sequence[Limb]) -> tuple[str, ...]:
    """All joints nearest to the root, then the next ones."""
    ranked = [(chain.depth + i, k, joint) for k, chain in enumerate(limbs) for i, joint in enumerate(chain.joints)]
    return tuple(joint for _, _, joint in sorted(ranked))


def plain(joint: str) -> str:
    """A joint's name without what files and models add to it."""
    return joint.lower().removesuffix("_dof").removesuffix("_joint")


LEG = "hip_pitch hip_roll hip_yaw knee ankle_pitch ankle_roll"
ARM = "shoulder_pitch shoulder_roll shoulder_yaw elbow wrist_roll wrist_pitch wrist_yaw"
G1_LEGS = (limb("left_", LEG), limb("right_", LEG))
G1 = (*G1_LEGS, limb("waist_", "yaw roll pitch"), limb("left_", ARM, 3), limb("right_", ARM, 3))
SHORT_ARM = ARM.removesuffix(" wrist_pitch wrist_yaw")
G1_23 = (*G1_LEGS, limb("waist_", "yaw"), limb("left_", SHORT_ARM, 1), limb("right_", SHORT_ARM, 1))
BARE_ARM = SHORT_ARM.removesuffix(" wrist_roll")
ASAP = (*G1_LEGS, limb("waist_", "yaw roll pitch"), limb("left_", BARE_ARM, 3), limb("right_", BARE_ARM, 3))

H1_LEG = "hip_yaw hip_roll hip_pitch knee ankle"
H1 = (
    *(limb(f"{side}_", H1_LEG) for side in ("left", "right")),
    limb("", "torso"),
    *(limb(f"{side}_", BARE_ARM, 1) for side in ("left", "right")),
)
H1_MOTORS = (
    *("right_hip_roll", "right_hip_pitch", "right_knee", "left_hip_roll", "left_hip_pitch", "left_knee"),
    *("torso", "left_hip_yaw", "right_hip_yaw", "", "left_ankle", "right_ankle"),
    *tree([limb("right_", BARE_ARM), limb("left_", BARE_ARM)]),
)
H1_2_LEG = "hip_yaw hip_pitch hip_roll knee ankle_pitch ankle_roll"
H1_2 = (
    *(limb(f"{side}_", H1_2_LEG) for side in ("left", "right")),
    limb("", "torso"),
    *(limb(f"{side}_", ARM, 1) for side in ("left", "right")),
)
QUADRUPED_LEG = "hip thigh calf"
LEFT_FIRST, RIGHT_FIRST = (
    tuple(limb(f"{leg}_", QUADRUPED_LEG) for leg in legs.split()) for legs in ("fl fr rl rr", "fr fl rr rl")
)
QUADRUPEDS = ("go1", "go2", "a1")

ORDERS: tuple[Order, ...] = (
    Order("g1", "tree", tree(G1)),
    Order("g1", "isaac", breadth_first(G1)),
    Order("g1", "tree", tree(G1_23)),
    Order("g1", "isaac", breadth_first(G1_23)),
    Order("g1", "asap", tree(ASAP)),
    Order("h1", "tree", tree(H1)),
    Order("h1", "isaac", breadth_first(H1)),
    Order("h1", "sdk", H1_MOTORS),
    Order("h1_2", "tree", tree(H1_2)),
    Order("h1_2", "isaac", breadth_first(H1_2)),
    *(Order(robot, "tree", tree(LEFT_FIRST)) for robot in QUADRUPEDS),
    *(Order(robot, "sdk", tree(RIGHT_FIRST)) for robot in QUADRUPEDS),
    *(Order(robot, "isaac", breadth_first(LEFT_FIRST)) for robot in QUADRUPEDS),
)

LACKED = frozenset(plain(joint) for joint in (*tree(G1), *tree(H1_2)) if "wrist" in joint) | {
    "waist_roll",
    "waist_pitch",
}
"""Joints that smaller versions of these robots lack: where a recording does not move them, they stand still."""
