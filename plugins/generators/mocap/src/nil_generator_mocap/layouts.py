"""What files of recordings hold, by whoever writes them. One more layout is one more row of :data:`LAYOUTS`.

A row says under which names the root's position, its rotation and the joints lie, and what its writer documents of
quaternions, orders of joints and units. Whatever is left open is told from the
motion itself (:mod:`nil_generator_mocap.search`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nil_core.api import Doubles
from nil_generator_mocap.files import TABLE

WXYZ, XYZW, VECTOR, EULER = "wxyz", "xyzw", "rotation vector", "euler angles"
BOTH = {XYZW: (XYZW, WXYZ), WXYZ: (WXYZ, XYZW)}
METERS = {"m": 1.0, "cm": 0.01, "mm": 0.001}
RADIANS = {"rad": 1.0, "deg": np.pi / 180}


@dataclass(frozen=True)
class Part:
    """Columns of an array (n, columns); of one (n, bodies, columns) those of the first body, the root."""

    key: str
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True)
class Layout:
    """How a program writes recordings.

    Attributes:
        writer: who does, for messages.
        position: of the root.
        rotation: of the root.
        joints: positions of the joints.
        rate: name of the samples per second.
        step: name of the seconds between samples.
        usual_rate: Hz, where the file does not say and its writer always takes the same.
        names: the joints' names may be under one of these; else they are in one of ``orders``.
        turns: what ``rotation`` may be; the writer's own first.
        orders: of joints, as in :mod:`nil_generator_mocap.orders`; the writer's own first.
        bodies: world positions of all bodies (n, bodies, 3), the root's first.
        length: unit of positions, or ``auto``.
        angle: unit of joints, or ``auto``.
        settled: the writer's convention is certain, and nothing is told from the motion.
    """

    writer: str
    position: Part
    rotation: Part
    joints: Part
    rate: str | None = None
    step: str | None = None
    usual_rate: float | None = None
    names: tuple[str, ...] = ("joint_names", "dof_names")
    turns: tuple[str, ...] = BOTH[XYZW]
    orders: tuple[str, ...] = ("tree",)
    bodies: str | None = None
    length: str = "auto"
    angle: str = "auto"
    settled: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """Names that a file of this layout must have."""
        return tuple(dict.fromkeys((self.position.key, self.rotation.key, self.joints.key)))


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "LocoMuJoCo",
        Part("qpos", 0, 3),
        Part("qpos", 3, 7),
        Part("qpos", 7),
        rate="frequency",
        names=("joint_names",),
        turns=(WXYZ,),
        length="m",
        angle="rad",
        settled=True,
    ),
    Layout(
        "BeyondMimic (whole_body_tracking, mjlab)",
        Part("body_pos_w"),
        Part("body_quat_w"),
        Part("joint_pos"),
        rate="fps",
        turns=BOTH[WXYZ],
        orders=("isaac", "tree"),
        bodies="body_pos_w",
    ),
    Layout(
        "Isaac Lab (humanoid_amp)",
        Part("body_positions"),
        Part("body_rotations"),
        Part("dof_positions"),
        rate="fps",
        turns=BOTH[WXYZ],
        orders=("isaac", "tree"),
        bodies="body_positions",
    ),
    Layout(
        "PHC, human2humanoid, ASAP",
        Part("root_trans_offset"),
        Part("root_rot"),
        Part("dof"),
        rate="fps",
        orders=("tree", "asap"),
    ),
    Layout("GMR", Part("root_pos"), Part("root_rot"), Part("dof_pos"), rate="fps", orders=("tree", "asap")),
    Layout("PHUMA", Part("root_trans"), Part("root_ori"), Part("dof_pos"), rate="fps"),
    Layout(
        "ProtoMotions (PyRoki)",
        Part("base_frame_pos"),
        Part("base_frame_wxyz"),
        Part("joint_angles"),
        rate="fps",
        turns=(WXYZ,),
    ),
    Layout(
        "ProtoMotions (.motion)",
        Part("rigid_body_pos"),
        Part("rigid_body_rot"),
        Part("dof_pos"),
        rate="fps",
        bodies="rigid_body_pos",
    ),
    Layout("MimicKit", Part("frames", 0, 3), Part("frames", 3, 6), Part("frames", 6), rate="fps", turns=(VECTOR,)),
    Layout(
        "AMP for hardware, motion_imitation",
        Part("Frames", 0, 3),
        Part("Frames", 3, 7),
        Part("Frames", 7, 19),
        step="FrameDuration",
        orders=("sdk",),
    ),
    Layout(
        "Unitree (LAFAN1 CSV) and the like",
        Part(TABLE, 0, 3),
        Part(TABLE, 3, 7),
        Part(TABLE, 7),
        usual_rate=30.0,
        orders=("tree", "sdk", "asap"),
    ),
)


@dataclass(frozen=True)
class Header:
    """Names of a CSV's columns: a root's position and rotation. All others are joints, time or the sample's number."""

    writer: str
    position: tuple[str, ...]
    rotation: tuple[str, ...]
    turn: str = WXYZ
    length: str = "auto"
    angle: str = "auto"


def _axes(prefix: str, axes: str) -> tuple[str, ...]:
    return tuple(prefix + axis for axis in axes)


HEADERS: tuple[Header, ...] = (
    Header("ProtoMotions (G1 CSV)", _axes("root_translate", "xyz"), _axes("root_rotate", "xyz"), EULER, "cm", "deg"),
    *(
        Header("a CSV with names", _axes(position, "xyz"), _axes(rotation, "wxyz"))
        for position, rotation in (
            *(("root_pos_", "root_quat_"), ("root_pos_", "root_rot_"), ("root_", "root_q"), ("root_pos", "root_quat_")),
            *(("base_pos_", "base_quat_"), ("pos_", "quat_"), ("p", "q"), ("", "q")),
        )
    ),
)
TIMES, NUMBERS = ("time", "timestamp", "t", "time_s"), ("frame", "index", "sample", "")


@dataclass(frozen=True)
class Raw:
    """A recording of n samples as its file has it.

    Attributes:
        layout: of the file.
        position: float64 (n, 3), the root.
        rotation: float64 (n, 4) or (n, 3), the root, one of ``layout.turns``.
        joints: float64 (n, J).
        names: of the joints, where the file has them.
        rate: Hz.
        rate_is_usual: the file does not say it, and neither did the user.
        bodies: float64 (n, B, 3), where the file has them.
        splits: bounds of pieces, where the file has them.
    """

    layout: Layout
    position: Doubles
    rotation: Doubles
    joints: Doubles
    names: tuple[str, ...] | None
    rate: float
    rate_is_usual: bool = False
    bodies: Doubles | None = None
    splits: Doubles | None = None
