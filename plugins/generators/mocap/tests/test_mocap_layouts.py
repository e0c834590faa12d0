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
from nil_generator_mocap.layouts import LAYOUTS
from nil_generator_mocap.mapping import map_joints
from nil_generator_mocap.orders import ORDERS
from nil_generator_mocap.recording import Recording, read_raw
from nil_generator_mocap.search import resolve

RATE, SAMPLES, SPEED = 50.0, 80, 1.2
HEADING = 0.9  # rad; with it the two orders of a quaternion do not both stand
STEP = {"g1": 1.1, "h1": 1.1, "a1": 2.2}  # Hz
words = str.split
G1_ISAAC = words(  # Isaac Lab's order of the G1's 29 joints, as its users print it
    "left_hip_pitch right_hip_pitch waist_yaw left_hip_roll right_hip_roll waist_roll left_hip_yaw right_hip_yaw "
    "waist_pitch left_knee right_knee left_shoulder_pitch right_shoulder_pitch left_ankle_pitch right_ankle_pitch "
    "left_shoulder_roll right_shoulder_roll left_ankle_roll right_ankle_roll left_shoulder_yaw right_shoulder_yaw "
    "left_elbow right_elbow left_wrist_roll right_wrist_roll left_wrist_pitch right_wrist_pitch left_wrist_yaw "
    "right_wrist_yaw"
)
H1_ISAAC = words(
    "left_hip_yaw right_hip_yaw torso left_hip_roll right_hip_roll left_shoulder_pitch right_shoulder_pitch "
    "left_hip_pitch right_hip_pitch left_shoulder_roll right_shoulder_roll left_knee right_knee left_shoulder_yaw "
    "right_shoulder_yaw left_ankle right_ankle left_elbow right_elbow"
)
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
    sway = Rotation.from_euler(
        "ZYX", np.stack([0 * times, 0.03 + 0.02 * np.sin(9 * times), 0.02 * np.cos(9 * times)], 1)
    )
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
    return csv(
        folder / "walk1.csv", np.hstack([of.position, xyzw(of.quaternions), table(of, order(name, "tree", count))])
    )


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
    np.testing.assert_allclose(
        recording.position - recording.position[0], (of.position - of.position[0])[:, :2], atol=1e-4
    )
    turned = Rotation.from_quat(recording.orientation, scalar_first=True)
    assert (turned * Rotation.from_quat(of.quaternions, scalar_first=True).inv()).magnitude().max() < 1e-3
    moved = {joint: recording.joints[source.joint] for joint, source in map_joints(recording.joints, made.spec).items()}
    assert len(moved) == len(made.spec.actuators)
    for joint, angles in moved.items():
        np.testing.assert_allclose(angles, of.joints[plain(joint)], atol=1e-4, err_msg=joint)


@pytest.mark.parametrize(("name", "count"), [("tree", 12), ("sdk", 12), ("isaac", 12)])
def test_legs_of_a_quadruped_are_told_by_the_user(name: str, count: int, tmp_path: Path) -> None:
    """Left and right are the same to a trot: nothing but the user tells FL FR RL RR from FR FL RR RL."""
    of = walk("a1")
    rows = np.hstack([of.position, xyzw(of.quaternions), table(of, order("a1", name, count))])
    path = csv(tmp_path / "trot.csv", rows, separator=" ")
    with pytest.raises(DataError) as caught:
        read(path, robot("a1"))
    if name == "isaac":
        assert "FL_calf_joint of a1 is 1.8 rad beyond its range" in caught.value.message
        assert "--set generator.order=isaac" in caught.value.hint
    else:
        assert "joints in the order tree or sdk; joint 1 is fl_hip in tree and fr_hip in sdk" in caught.value.message
        assert "--set generator.order=tree" in caught.value.hint
    recording, facts = read(path, robot("a1"), order=name)
    check(recording, of, robot("a1"))
    assert facts["rate"] == 30 and "30 Hz as usual in such files" in facts["why"]


def test_orders_are_those_of_the_robots() -> None:
    assert order("g1", "isaac", 29) == G1_ISAAC and order("h1", "isaac", 19) == H1_ISAAC
    assert order("go2", "isaac", 12) == GO2_ISAAC
    assert order("go1", "sdk", 12)[:6] == words("fr_hip fr_thigh fr_calf fl_hip fl_thigh fl_calf")
    assert order("go2", "tree", 12)[:6] == words("fl_hip fl_thigh fl_calf fr_hip fr_thigh fr_calf")
    assert order("h1", "sdk", 20)[:3] == words("right_hip_roll right_hip_pitch right_knee")
    assert order("h1", "sdk", 20)[6:12] == ["torso", "left_hip_yaw", "right_hip_yaw", "", "left_ankle", "right_ankle"]
    assert order("h1_2", "tree", 27)[:6] == [
        f"left_{joint}" for joint in words("hip_yaw hip_pitch hip_roll knee ankle_pitch ankle_roll")
    ]
    assert order("h1_2", "tree", 27)[12] == "torso"
    assert order("g1", "tree", 23)[12:18] == [
        "waist_yaw",
        *(f"left_{joint}" for joint in words("shoulder_pitch shoulder_roll shoulder_yaw elbow wrist_roll")),
    ]
    assert order("g1", "asap", 23)[12:16] == words("waist_yaw waist_roll waist_pitch left_shoulder_pitch")
    for row in ORDERS:
        moved = [joint for joint in row.joints if joint]
        assert len(set(moved)) == len(moved) and sorted(moved) in [
            sorted(joint for joint in other.joints if joint) for other in ORDERS if other.robot == row.robot
        ]


def test_every_layout_is_read_and_says_what_it_needs(tmp_path: Path) -> None:
    """Whatever a row of the table names is found, and a file that lacks a part of it is told which."""
    of = walk("g1")
    for row in LAYOUTS:
        if row.settled or row.position.key in ("table", "Frames", "frames"):
            continue
        turns = of.quaternions if row.turns[0] == "wxyz" else xyzw(of.quaternions)
        bodies = of.bodies if row.bodies else of.position
        joints = table(of, order("g1", "tree", 29))
        arrays = {row.joints.key: joints, row.position.key: bodies, row.rotation.key: turns, "fps": RATE}
        recording, facts = read(npz(tmp_path / "walk.npz", **arrays), robot("g1"), rate=RATE)
        check(recording, of, robot("g1"))
        assert facts["layout"] == row.writer
        del arrays[row.rotation.key]
        with pytest.raises(DataError, match=rf"lacks {row.rotation.key}|none of its arrays"):
            read(npz(tmp_path / "walk.npz", **arrays), robot("g1"))


def standing(heading: float) -> Walk:
    of, times = walk("g1", heading), np.ones((SAMPLES, 1))
    joints = {joint: angles[:1] * times[:, 0] for joint, angles in of.joints.items()}
    return Walk(of.position[:1] * times, of.quaternions[:1] * times, joints, of.bodies)


def test_a_stand_along_x_is_ambiguous_and_an_option_says_how_to_read_it(tmp_path: Path) -> None:
    of = standing(0.0)
    path = lafan(tmp_path, of)
    with pytest.raises(DataError) as caught:
        read(path, robot("g1"))
    assert "can be read in 2 ways, and the motion does not tell which: quaternions xyzw or wxyz" in caught.value.message
    assert (
        caught.value.hint
        == "say it; in files of Unitree (LAFAN1 CSV) and the like it is: --set generator.quaternion=xyzw"
    )
    recording, facts = read(path, robot("g1"), quaternion="xyzw")
    check(recording, of, robot("g1"))
    assert "xyzw as asked" in facts["why"]
    check(read(lafan(tmp_path, standing(HEADING)), robot("g1"))[0], standing(HEADING), robot("g1"))


def edited(rows: Any, change: Callable[[list[list[str]]], None]) -> str:
    cells = [[f"{value:.6f}" for value in row] for row in rows]
    change(cells)
    return "\n".join(",".join(row) for row in cells)


LYING = [f"{x:.6f}" for x in Rotation.from_euler("xyz", [-1.8, 0.3, 2.4]).as_quat()]  # whatever the order and the axes


@pytest.mark.parametrize(
    ("change", "says", "mends"),
    [
        (lambda cells: cells[4].pop(), "line 5 of walk.csv has 35 columns, and the lines before it have 36", "mend"),
        (lambda cells: cells[2].__setitem__(3, "nan"), "line 3, column 4 of walk.csv holds nan", "mend the line"),
        (lambda cells: cells[2].__setitem__(3, "x"), "line 3, column 4 of walk.csv holds x, not a finite", "mend"),
        (lambda cells: cells[2].__setitem__(3, ""), "line 3, column 4 of walk.csv holds nothing", "mend the line"),
        (lambda cells: cells.__delitem__(slice(1, None)), "walk.csv has 1 sample, and a motion needs 3", "longer"),
        (lambda cells: cells.clear(), "walk.csv is empty", "generator.path="),
        (lambda cells: [row.append("0") for row in cells], "walk.csv has 30 joints; g1 has 23 or 29", "same robot"),
        (lambda cells: [row.__delitem__(slice(26, 36)) for row in cells], "has 19 joints, as h1 has; g1", "--robot h1"),
        (lambda cells: [row.__delitem__(slice(5, 36)) for row in cells], "rotation in walk.csv has 2 columns", "then"),
        (lambda cells: cells.insert(0, ["a"] * 36), "has two columns a", "every column once"),
        (
            lambda cells: cells.insert(0, [f"j{i}" for i in range(36)]),
            "does not name a root's position",
            "take the hea",
        ),
        (lambda cells: [row.__setitem__(slice(3, 7), ["0"] * 4) for row in cells], "quaternions of length 0", "turns"),
        (lambda cells: [row.__setitem__(10, "9.9") for row in cells], "left_knee_joint of g1 is 7 rad beyond", "same"),
        (
            lambda cells: [row.__setitem__(slice(0, 3), [f"{9 * i}", "0", "0"]) for i, row in enumerate(cells)],
            "goes at 270 m/s if its positions are in m",
            "--set generator.length_unit=mm",
        ),
        (
            lambda cells: [row.__setitem__(slice(3, 7), LYING) for row in cells],
            "stands upright in no reading: .* 88 d",
            "--set generator.quaternion=xyzw --set generator.up=z",
        ),
    ],
)
def test_tables_that_are_no_recording_of_this_robot(
    change: Callable[[Any], Any], says: str, mends: str, tmp_path: Path
) -> None:
    of = walk("g1")
    rows = np.hstack([of.position, xyzw(of.quaternions), table(of, order("g1", "tree", 29))])
    path = tmp_path / "walk.csv"
    path.write_text(edited(rows, change))
    with pytest.raises(DataError, match=says) as caught:
        read(path, robot("g1"))
    assert mends in caught.value.hint and "\n" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("nested", [False, True])
def test_the_line_that_converts_a_pickle_works(nested: bool, tmp_path: Path) -> None:
    of = walk("g1")
    clip = {
        "fps": 50,
        "root_pos": of.position,
        "root_rot": xyzw(of.quaternions),
        "dof_pos": table(of, order("g1", "tree", 29)),
        "local_body_pos": None,
        "link_body_list": ["pelvis"],
    }
    path = tmp_path / "my walk.pkl"
    path.write_bytes(pickle.dumps({"walk": clip} if nested else clip))
    with pytest.raises(DataError, match=r"my walk\.pkl is a pickle, which runs code") as caught:
        read(path, robot("g1"))
    line = caught.value.hint.removeprefix("where you trust it: ")
    assert "\n" not in line
    command = shlex.split(line)
    assert command[0] == "python"
    subprocess.run([sys.executable, *command[1:]], check=True, cwd=tmp_path)
    recording, facts = read(tmp_path / "my walk.npz", robot("g1"))
    check(recording, of, robot("g1"))
    assert facts["layout"] == "GMR" and facts["quaternion"] == "xyzw"


def test_other_files_that_are_not_read(tmp_path: Path) -> None:
    of = walk("g1")
    bodies = npz(tmp_path / "amass.npz", poses=np.zeros((9, 156)), trans=np.zeros((9, 3)), betas=np.zeros(16))
    with pytest.raises(DataError, match="motion of a human body") as caught:
        read(bodies, robot("g1"))
    assert "GMR" in caught.value.hint
    with pytest.raises(DataError, match="holds 2 clips: 0-turn, 0-walk") as caught:
        read(phc(tmp_path, walk("h1")), robot("h1"))
    assert caught.value.hint == "name one: --set generator.clip=0-turn"
    with pytest.raises(DataError, match="has no clip run"):
        read(phc(tmp_path, walk("h1")), robot("h1"), clip="run")
    for start, suffix, says in (
        (b"\x80\x04N.", ".bin", "is a pickle"),
        (b"BZh", ".pkl", "is a pickle"),
        (b"\x89HDF\r\n\x1a\n", ".h5", "HDF5"),
        (b"\xff\xfe\x00", ".csv", "neither npz, npy, CSV nor JSON"),
        (b"{}", ".json", "has no Frames"),
        (b'{"Frames": [[1, 2], [3]], "FrameDuration": 0.02}', ".txt", "no recording in JSON"),
        (b"{", ".json", "no recording in JSON"),
    ):
        (tmp_path / f"walk{suffix}").write_bytes(start)
        with pytest.raises(DataError, match=says):
            read(tmp_path / f"walk{suffix}", robot("g1"))
    np.save(tmp_path / "phuma.npy", {"root_trans": of.position}, allow_pickle=True)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="is a pickle"):
        read(tmp_path / "phuma.npy", robot("g1"))
    lacking = npz(tmp_path / "no_rate.npz", root_pos=of.position, root_rot=xyzw(of.quaternions), dof_pos=of.position)
    with pytest.raises(DataError, match="does not say how many samples a second has: it lacks fps") as caught:
        read(lacking, robot("g1"))
    assert caught.value.hint == "say it in Hz: --set generator.rate=30"
    with pytest.raises(DataError, match="has 3 joints; g1 has 23 or 29"):
        read(lacking, robot("g1"), rate=30)


def test_a_g1_of_23_joints_and_a_robot_in_no_table(tmp_path: Path) -> None:
    of = walk("g1")
    recording, facts = read(lafan(tmp_path, of, count=23), robot("g1"), rate=RATE, order="tree")
    check(recording, of, robot("g1"))
    with pytest.raises(DataError, match="joint 14 is left_shoulder_pitch in tree and waist_roll in asap") as caught:
        read(lafan(tmp_path, of, count=23), robot("g1"), rate=RATE)
    assert "--set generator.order=tree" in caught.value.hint
    rows = np.hstack([of.position, xyzw(of.quaternions), table(of, order("g1", "asap", 23))])
    recording, facts = read(csv(tmp_path / "asap.csv", rows), robot("g1"), rate=RATE, order="asap")
    assert facts["order"] == "asap" and "left_wrist_roll" not in recording.joints
    assert len(map_joints(recording.joints, robot("g1").spec)) == 21, "two wrists stand still"
    made = robot("talos")
    own = [made.model.joint(i).name for i in range(made.model.njnt)][1:]
    still = np.tile(made.standing_qpos, (9, 1))
    turned = np.tile(Rotation.from_euler("z", 1.2).as_quat(), (9, 1))
    path = csv(tmp_path / "talos.csv", np.hstack([still[:, :3], turned, still[:, 7:]]))
    recording, facts = read(path, made, order="tree")
    assert list(recording.joints) == own and facts["order"] == "tree"
