import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from nil_core.api import (
    Actuator,
    Camera,
    ConfigError,
    DataError,
    FallLimits,
    GenerationRequest,
    RobotSpec,
    Video,
    no_progress,
)
from nil_core.testing import check_card, check_generator, check_light
from nil_generator_mocap import CARD, MocapOptions
from nil_generator_mocap.generator import Mocap
from nil_generator_mocap.mapping import TABLES

SHARED = Path(__file__).resolve().parents[5] / "shared" / "mocap"
SHORT = {"left": "l", "right": "r"}
LEG = ("hip_rotation", "hip_adduction", "hip_flexion", "knee_angle", "ankle_angle")
G1 = ("hip_pitch", "hip_roll", "hip_yaw", "knee", "ankle_pitch", "ankle_roll")
G1_ARM = ("shoulder_pitch", "shoulder_roll", "shoulder_yaw", "elbow_pitch", "elbow_roll")
RECORDED = {  # joints of LocoMuJoCo's recordings, version 0.4; those before the bar move a robot of nil's
    "h1": [
        "back_bkz",
        *[f"{j}_{s}" for s in "lr" for j in LEG],
        *[f"{s}_arm_{j}" for s in "lr" for j in ("shy", "shx", "shz")],
        *["left_elbow", "right_elbow", "|", "back_bky", "back_bkx", "r_arm_wry", "l_arm_wry"],
    ],
    "g1": [
        "torso_joint",
        *[f"{side}_{j}_joint" for side in SHORT for j in (*G1, *G1_ARM)],
        *["|", "lumbar_extension", "lumbar_bending"],
    ],
    "talos": [
        *["back_bkz", "back_bky"],
        *[f"{j}_{s}" for s in "lr" for j in LEG],
        *[f"{s}_arm_{j}" for s in "lr" for j in ("shz", "shx", "ely", "elx", "wry", "wrx")],
        *["|", "back_bkx"],
    ],
    "a1": [f"{leg}_{j}_joint" for leg in ("FR", "FL", "RR", "RL") for j in ("hip", "thigh", "calf")],
}
OFFSETS = {"hip_pitch": -0.1742, "knee": 0.3347, "ankle_pitch": -0.1605}  # of the G1
PERIOD = 0.9


@dataclass
class FakeScene:
    """A body with a hinge on a leg of its own for every joint; two of the legs are longer and end in feet."""

    spec: RobotSpec
    model: Any
    standing_qpos: Any

    def render(self, qpos: Any, progress: Any = no_progress) -> Any:
        progress(len(qpos), len(qpos), "frames drawn")
        frames = np.zeros((len(qpos), 4, 4, 3), np.uint8)
        frames[:, 0, 0, 0] = 1 + np.arange(len(qpos)) % 250
        return frames, frames[..., 0] > 0


def scene(name: str, joints: Iterable[str]) -> FakeScene:
    joints = list(joints)
    legs = "".join(
        f'<body pos="0 {0.1 * i} 0"><joint name="{joint}" axis="0 1 0" range="-3 3"/>'
        f'<geom name="geom{i}" type="box" size=".05 .02 .02" pos="0 0 {-1.0 if i < 2 else -0.2}"/></body>'
        for i, joint in enumerate(joints)
    )
    model = mujoco.MjModel.from_xml_string(
        f'<mujoco><compiler angle="radian" autolimits="true"/><worldbody><geom name="floor" type="plane" size="0 0 1"/>'
        f'<body name="trunk"><freejoint/><geom size=".05"/>{legs}</body></worldbody></mujoco>'
    )
    standing = model.qpos0.copy()
    standing[2], standing[7:] = 1.02, 0.01 * np.arange(len(joints))
    spec = RobotSpec(
        name=name,
        prompt_name=name,
        root="trunk",
        torso="trunk",
        actuators=tuple(Actuator(joint, 30.0, 100.0, 1.0) for joint in joints),
        standing_pose={},
        standing_height=1.02,
        feet=("geom0", "geom1"),
        camera=Camera(1.0, 0.2),
        fall=FallLimits(0.1),
    )
    return FakeScene(spec, model, standing)


def installed_robot(name: str) -> RobotSpec:
    found = [point for point in entry_points(group="nil.robots") if point.name == name]
    if not found:
        pytest.skip(f"robot {name} is not installed")
    module, _, attribute = found[0].load().target.partition(":")
    return getattr(import_module(module), attribute).data.spec


def wave(index: int, times: Any) -> Any:
    """Every joint's own, so that none can stand in for another."""
    return 0.02 * index + 0.3 * np.sin(2 * np.pi * times / PERIOD + 0.7 * index)


def recorded(folder: Path, robot: str, version: str = "0.4", seconds: float = 1.0, heading: float = 0.0) -> Path:
    """A recording of synthetic waves at 0.7 m/s along the heading, backwards where that is more than half a turn."""
    rate = 500.0 if version == "0.4" else 100.0
    times = np.arange(round(seconds * rate)) / rate
    names = [name for name in RECORDED[robot] if name != "|"]
    waves = [wave(i, times) for i in range(len(names))]
    x, y = 3 + 0.7 * times * np.cos(heading), 5 + 0.7 * times * np.sin(heading)
    flat = np.zeros_like(times)
    path = folder / f"{robot}.npz"
    if version == "1":
        turned = [np.full_like(times, np.cos(heading / 2)), flat, flat, np.full_like(times, np.sin(heading / 2))]
        qpos = np.stack([x, y, flat, *turned, *waves], axis=1)
        np.savez(path, qpos=qpos, joint_names=np.array(["root", *names]), frequency=rate)
    else:
        root = {"tx": x, "ty" if robot == "a1" else "tz": y, "tz" if robot == "a1" else "ty": flat}
        root |= {"tilt": flat, "list": flat, "rotation": np.full_like(times, heading)}
        base = "trunk" if robot == "a1" else "pelvis"
        arrays = {f"q_{base}_{key}": value for key, value in root.items()}
        np.savez(path, **arrays, **{f"q_{name}": angles for name, angles in zip(names, waves, strict=True)})
    return path


def request(made: FakeScene | None, seconds: float = 2.0, fps: float = 25) -> GenerationRequest:
    black = np.zeros((4, 4, 3), np.uint8)
    return GenerationRequest("", "walking", black, black[..., 0] > 0, fps, seconds, seed=0, scene=made)


def generate(path: Path, made: FakeScene, seconds: float = 2.0, **options: Any) -> Video:
    return Mocap(MocapOptions(path=path, **options)).generate(request(made, seconds), no_progress)


def lowest_foot(made: FakeScene, trajectory: Any) -> Any:
    data, heights = mujoco.MjData(made.model), []
    for qpos in trajectory:
        data.qpos[:] = qpos
        mujoco.mj_kinematics(made.model, data)
        feet = [made.model.geom(name) for name in made.spec.feet]
        heights.append(
            min(
                data.geom_xpos[foot.id][2] - np.abs(data.geom_xmat[foot.id].reshape(3, 3)[2]) @ foot.size
                for foot in feet
            )
        )
    return np.array(heights)


@pytest.mark.parametrize("version", ["0.4", "1"])
@pytest.mark.parametrize("robot", RECORDED)
@pytest.mark.parametrize("seconds", [2.0, 0.8])
def test_every_joint_plays_its_own_motion(robot: str, version: str, seconds: float, tmp_path: Path) -> None:
    """Extended (2 s) or as recorded (0.8 s), from both formats, with the offsets of the G1."""
    made = scene(robot, [actuator.joint for actuator in installed_robot(robot).actuators])
    path = recorded(tmp_path, robot, version)
    video = generate(path, made, seconds, ramp=0)
    assert video.trajectory is not None and len(video.frames) == round(seconds * 25) + 1
    times = np.arange(len(video.frames)) / 25
    names = " ".join(RECORDED[robot]).partition("|")
    moving, spare = names[0].split(), names[2].split()
    columns = {}
    for i, joint in enumerate(moving):
        limb = joint.removeprefix("left_").removeprefix("right_").removesuffix("_joint")
        offset = OFFSETS.get(limb, 0.0) if robot == "g1" else 0.0
        expected = wave(i, times) + offset
        matches = np.flatnonzero(np.abs(video.trajectory[:, 7:] - expected[:, None]).max(axis=0) < 3e-3)
        assert len(matches) == 1, joint
        columns[joint] = made.model.joint(made.model.dof_jntid[6 + matches[0]]).name
    assert sorted(columns.values()) == sorted(actuator.joint for actuator in made.spec.actuators)
    for joint, moved in columns.items():  # the side is kept, and the names that are the same stay so
        if robot == "a1" or joint in ("left_elbow", "right_elbow"):
            assert moved == joint
        for side, short in SHORT.items():
            if joint.startswith((side, f"{short}_arm")) or joint.endswith(f"_{short}"):
                assert side in moved
    np.testing.assert_allclose(video.trajectory[:, 0], 0.7 * times, atol=1e-6)
    assert video.facts["speed"] == pytest.approx(0.7) and video.facts["unused_joints"] == sorted(spare)
    assert (
        (video.facts.get("period") == pytest.approx(PERIOD, abs=5e-3)) if seconds > 1 else "period" not in video.facts
    )
    assert video.facts["sha256"] == sha256(path.read_bytes()).hexdigest() and video.facts["source"] == f"{robot}.npz"


@pytest.mark.parametrize("robot", TABLES)
def test_tables_name_the_joints_that_the_robots_have(robot: str) -> None:
    assert set(TABLES[robot]) == {actuator.joint for actuator in installed_robot(robot).actuators}


def test_it_starts_at_rest_in_the_standing_pose(tmp_path: Path) -> None:
    made, path = scene("a1", RECORDED["a1"]), recorded(tmp_path, "a1")
    blended, abrupt = (generate(path, made, ramp=ramp).trajectory for ramp in (0.8, 0))
    np.testing.assert_allclose(blended[0], made.standing_qpos, atol=1e-9)
    speeds = np.diff(blended[:, 0]) * 25
    assert speeds[0] < 0.02 and np.all(np.diff(speeds[:20]) > 0) and speeds[21:] == pytest.approx(0.7)
    assert np.abs(blended[1] - blended[0]).max() < 0.01
    np.testing.assert_allclose(blended[20:, 7:], abrupt[20:, 7:])
    assert np.abs(abrupt[0, 7:] - made.standing_qpos[7:]).max() > 0.2


def test_the_lowest_foot_stays_where_it_stood(tmp_path: Path) -> None:
    made = scene("a1", RECORDED["a1"])
    trajectory = generate(recorded(tmp_path, "a1"), made).trajectory
    np.testing.assert_allclose(lowest_foot(made, trajectory), lowest_foot(made, made.standing_qpos[None])[0], atol=1e-6)
    assert np.ptp(trajectory[:, 2]) > 0.01


@pytest.mark.parametrize("version", ["0.4", "1"])
@pytest.mark.parametrize("heading", [0.0, 0.4, -1.9, 3.0])
def test_it_walks_along_x_whatever_the_recorded_heading(heading: float, version: str, tmp_path: Path) -> None:
    made = scene("a1", RECORDED["a1"])
    trajectory = generate(recorded(tmp_path, "a1", version, heading=heading), made).trajectory
    assert np.abs(trajectory[:, 1]).max() < 1e-6 and trajectory[-1, 0] > 1
    np.testing.assert_allclose(np.abs(trajectory[:, 3]), 1, atol=1e-9)


def test_walking_backwards_stays_backwards(tmp_path: Path) -> None:
    made, path = scene("a1", RECORDED["a1"]), recorded(tmp_path, "a1")
    arrays = dict(np.load(path))
    arrays["q_trunk_tx"] *= -1
    np.savez(path, **arrays)
    video = generate(path, made)
    assert video.trajectory[-1, 0] < -1 and video.facts["speed"] == pytest.approx(-0.7)
    np.testing.assert_allclose(video.trajectory[:, 3], 1)


def test_joint_limits_hold_and_undriven_joints_stand(tmp_path: Path) -> None:
    made = scene("a1", [*RECORDED["a1"], "tail"])
    made.spec = replace(made.spec, actuators=made.spec.actuators[:-1])
    made.model.jnt_range[1] = [-0.1, 0.1]
    trajectory = generate(recorded(tmp_path, "a1"), made).trajectory
    assert trajectory[:, 7].min() == -0.1 and trajectory[:, 7].max() == 0.1
    assert np.all(trajectory[:, -1] == made.standing_qpos[-1])


def test_any_robot_plays_recordings_of_its_own_joint_names(tmp_path: Path) -> None:
    assert generate(recorded(tmp_path, "a1"), scene("mongrel", RECORDED["a1"])).facts["speed"] == pytest.approx(0.7)


def test_a_robot_without_a_mapping_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no joint mapping for robot ant") as caught:
        generate(recorded(tmp_path, "a1"), scene("ant", ["hip", "ankle"]))
    assert "h1, g1, talos" in caught.value.hint and "hip, ankle" in caught.value.hint


def test_unknown_and_missing_joints_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="back_bkz") as caught:
        generate(recorded(tmp_path, "h1"), scene("g1", TABLES["g1"]))
    assert "waist_yaw_joint" in caught.value.message and "17 more" in caught.value.message
    with pytest.raises(DataError, match=r"does not move RL_paw of robot a1; unknown joints: RL_calf_joint\n"):
        generate(recorded(tmp_path, "a1"), scene("a1", [*RECORDED["a1"][:-1], "RL_paw"]))


def test_a_path_and_a_scene_are_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Mocap(MocapOptions())
    assert "--set generator.path=" in caught.value.hint
    with pytest.raises(ConfigError, match="scene"):
        Mocap(MocapOptions(path=recorded(tmp_path, "a1"))).generate(request(None), no_progress)


def test_a_robot_without_feet_is_refused(tmp_path: Path) -> None:
    made = scene("a1", RECORDED["a1"])
    made.spec = replace(made.spec, feet=())
    with pytest.raises(DataError, match="no feet"):
        generate(recorded(tmp_path, "a1"), made)


@pytest.mark.parametrize(
    ("robot", "file", "options", "speed", "period", "error"),
    [
        ("h1", "02-constspeed_UnitreeH1.npz", {}, 1.28, 1.07, 0.012),
        ("a1", "walk_straight.npz", {"piece": 2, "start": 0.4}, 0.25, 0.49, 0.03),
    ],
)
def test_real_recordings(
    robot: str, file: str, options: dict[str, Any], speed: float, period: float, error: float
) -> None:
    if not (SHARED / file).exists():
        pytest.skip("the recordings are not part of the repository")
    made = scene(robot, [actuator.joint for actuator in installed_robot(robot).actuators])
    facts = generate(SHARED / file, made, 2.5, **options).facts
    assert facts["speed"] == pytest.approx(speed, abs=0.02)
    assert facts["period"] == pytest.approx(period, abs=0.02)
    assert facts["fit_error"] < error


def test_the_contract(tmp_path: Path) -> None:
    check_card(CARD)
    check_light("nil_generator_mocap")
    video = check_generator(
        Mocap(MocapOptions(path=recorded(tmp_path, "a1"))), request(scene("a1", RECORDED["a1"]), 1.0)
    )
    assert json.loads(json.dumps(video.facts)) == video.facts
    module, name = CARD.target.split(":")
    assert (module, name) == (Mocap.__module__, Mocap.__name__)
