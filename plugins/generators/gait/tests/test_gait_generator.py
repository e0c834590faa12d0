import json
from dataclasses import dataclass, replace
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
    VideoGenerator,
    no_progress,
)
from nil_generator_gait import CARD, GaitOptions
from nil_generator_gait.generator import Gait

HEAD = """<mujoco><compiler angle="radian" autolimits="true"/><worldbody>
<geom name="floor" type="plane" size="0 0 1"/><body name="trunk"><freejoint/><geom type="box" size=".1 .05 .05"/>"""
TAIL = "</body></worldbody></mujoco>"


def quadruped_leg(name: str, x: float, y: float) -> str:
    side = 1 if y > 0 else -1
    return f"""<body name="{name}_hip" pos="{x} {y} 0"><joint name="{name}_roll" axis="1 0 0" range="-.8 .8"/>
    <geom size=".02"/><body pos="0 {side * 0.0838} 0"><joint name="{name}_thigh" axis="0 1 0" range="-1.05 4.19"/>
    <geom size=".02"/><body pos="0 0 -.2"><joint name="{name}_calf" axis="0 1 0" range="-2.7 -.92"/>
    <geom name="{name}_foot" size=".02" pos="0 0 -.2"/></body></body></body>"""


def humanoid_leg(name: str, y: float, ankle_rolls: bool = False) -> str:
    """Five joints, a flat foot of two geoms, and slightly bent knees, as of the H1."""
    tilt = f'<joint name="{name}_tilt" axis="1 0 0"/>' if ankle_rolls else ""
    return f"""<body pos="0 {y} 0"><joint name="{name}_yaw" axis="0 0 1"/><geom size=".02"/>
    <body><joint name="{name}_roll" axis="1 0 0"/><geom size=".02"/>
    <body><joint name="{name}_hip" axis="0 1 0"/><geom size=".02"/>
    <body pos="0 0 -.4"><joint name="{name}_knee" axis="0 1 0" range="0 2.5"/><geom size=".02"/>
    <body name="{name}_sole" pos="0 0 -.4"><joint name="{name}_ankle" axis="0 1 0"/>{tilt}
    <geom name="{name}_toe" type="box" size=".06 .03 .02" pos=".1 0 -.05"/>
    <geom name="{name}_heel" type="box" size=".04 .03 .02" pos="-.04 0 -.05"/></body></body></body></body></body>"""


def planar_leg(name: str, y: float) -> str:
    """Hip, knee and ankle that turn in one plane."""
    return f"""<body pos="0 {y} 0"><joint name="{name}_hip" axis="0 1 0"/><geom size=".02"/>
    <body pos="0 0 -.25"><joint name="{name}_knee" axis="0 1 0"/><geom size=".02"/>
    <body name="{name}_sole" pos="0 0 -.25"><joint name="{name}_ankle" axis="0 1 0"/>
    <geom name="{name}_foot" type="capsule" size=".02" fromto="-.05 0 -.03 .08 0 -.03"/></body></body></body>"""


def insect_leg(name: str, x: float, side: int) -> str:
    return f"""<body pos="{x} {side * 0.06} 0"><joint name="{name}_coxa" axis="0 0 1"/><geom size=".01"/>
    <body pos="0 {side * 0.04} 0"><joint name="{name}_femur" axis="{side} 0 0"/><geom size=".01"/>
    <body pos="0 {side * 0.08} 0"><joint name="{name}_tibia" axis="{side} 0 0"/><geom size=".01"/>
    <geom name="{name}_foot" size=".01" pos="0 {side * 0.15} 0"/></body></body></body>"""


ARMS = "".join(
    f'<body name="{name}_hand" pos="0 {y} .1"><joint name="{name}_arm" axis="0 1 0"/>'
    '<geom size=".03" pos="0 0 -.2"/></body>'
    for name, y in (("L", 0.2), ("R", -0.2))
)
NECK = '<body pos="0 0 .2"><joint name="neck" axis="0 1 0"/><geom size=".03" pos=".1 0 0"/></body>'
QUADRUPED = "".join(
    quadruped_leg(name, x, y)
    for name, x, y in (
        ("FR", 0.183, -0.047),
        ("FL", 0.183, 0.047),
        ("RR", -0.183, -0.047),
        ("RL", -0.183, 0.047),
    )
)
ROBOTS = {
    "quadruped": (QUADRUPED, {"roll": 0.0, "thigh": 0.9, "calf": -1.8}, "foot"),
    "humanoid": (
        humanoid_leg("L", 0.1) + humanoid_leg("R", -0.1) + ARMS + NECK,
        {"hip": -0.12, "knee": 0.24, "ankle": -0.12},
        "heel toe",
    ),
    "humanoid with rolling ankles": (
        humanoid_leg("L", 0.1, ankle_rolls=True) + humanoid_leg("R", -0.1, ankle_rolls=True),
        {"hip": -0.12, "knee": 0.24, "ankle": -0.12},
        "heel toe",
    ),
    "planar": (planar_leg("L", 0.1) + planar_leg("R", -0.1), {"hip": -0.4, "knee": 0.8, "ankle": -0.4}, "foot"),
    "hexapod": (
        "".join(
            insect_leg(f"{'LR'[side < 0]}{i}", x, side) for side in (1, -1) for i, x in enumerate((0.12, 0, -0.12))
        ),
        {"femur": 0.3, "tibia": -1.5},
        "foot",
    ),
}


@dataclass
class FakeScene:
    """Fake scene: a compiled robot in its standing pose; frames contain their number instead of an image."""

    spec: RobotSpec
    model: Any
    standing_qpos: Any

    def render(self, qpos: Any, progress: Any = no_progress) -> Any:
        progress(len(qpos), len(qpos), "frames drawn")
        frames = np.zeros((len(qpos), 4, 4, 3), np.uint8)
        frames[:, 0, 0, 0] = np.arange(len(qpos))
        return frames, frames[..., 0] > 0


def scene(name: str) -> FakeScene:
    body, pose, feet = ROBOTS[name]
    model = mujoco.MjModel.from_xml_string(HEAD + body + TAIL)
    joints = [model.joint(i).name for i in range(1, model.njnt)]
    standing = {joint: pose.get(joint.split("_")[-1], 0.0) for joint in joints}
    geoms = [model.geom(i).name for i in range(model.ngeom)]
    data = mujoco.MjData(model)
    for joint, angle in standing.items():
        data.joint(joint).qpos = angle
    mujoco.mj_kinematics(model, data)
    spec = RobotSpec(
        name=name,
        prompt_name=name,
        root="trunk",
        torso="trunk",
        actuators=tuple(Actuator(joint, 30.0, 100.0, 1.0) for joint in joints),
        standing_pose=standing,
        standing_height=0.0,
        feet=tuple(geom for geom in geoms if geom and geom.split("_")[-1] in feet.split()),
        camera=Camera(1.0, 0.2),
        fall=FallLimits(0.1),
    )
    made = FakeScene(spec, model, data.qpos.copy())
    made.standing_qpos[2] = -contact_heights(made, data.qpos.copy()[None]).min()
    return made


def contact_heights(made: FakeScene, trajectory: Any) -> Any:
    """(T, feet) m, distance of every foot geom from the floor."""
    model, data = made.model, mujoco.MjData(made.model)
    heights = []
    for qpos in trajectory:
        data.qpos[:] = qpos
        mujoco.mj_kinematics(model, data)
        floor = model.geom("floor").id
        heights.append(
            [mujoco.mj_geomDistance(model, data, model.geom(g).id, floor, 9.0, None) for g in made.spec.feet]
        )
    return np.array(heights)


def geom_positions(made: FakeScene, trajectory: Any) -> Any:
    data, places = mujoco.MjData(made.model), []
    for qpos in trajectory:
        data.qpos[:] = qpos
        mujoco.mj_kinematics(made.model, data)
        places.append([data.geom(g).xpos.copy() for g in made.spec.feet])
    return np.array(places)


def generate(made: FakeScene, skill: str = "walking", fps: float = 25, seconds: float = 2.0, **options: float) -> Video:
    """Generate without balance (see test_gait_biped_walk.py); no difference for more than two legs."""
    black = np.zeros((4, 4, 3), np.uint8)
    request = GenerationRequest("", skill, black, black[..., 0] > 0, fps, seconds, seed=0, scene=made)
    return Gait(GaitOptions(**{"plausible": False, **options})).generate(request, no_progress)


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.parametrize("skill", ["walking", "walking backwards", "running", "stepping in place"])
def test_any_legged_robot_walks_as_requested(name: str, skill: str) -> None:
    made = scene(name)
    video = generate(made, skill)
    trajectory = video.trajectory
    assert trajectory is not None and video.masks is not None
    assert len(video.frames) == 51 and video.seconds == 2.0
    assert list(video.frames[:, 0, 0, 0]) == list(range(51))
    np.testing.assert_array_equal(trajectory[0], made.standing_qpos)
    np.testing.assert_array_equal(trajectory[:, 3:7], np.tile(made.standing_qpos[3:7], (51, 1)))
    assert json.loads(json.dumps(video.facts)) == video.facts
    speed = video.facts["speed"]
    assert np.sign(speed) == {"walking": 1, "running": 1, "walking backwards": -1, "stepping in place": 0}[skill]
    np.testing.assert_allclose(np.diff(trajectory[12:, 0]) * 25, speed, atol=1e-6)
    lowest, highest = made.model.jnt_range[1:].T
    limited = made.model.jnt_limited[1:].astype(bool)
    assert np.all((trajectory[:, 7:] >= lowest)[:, limited] & (trajectory[:, 7:] <= highest)[:, limited])
    # No foot penetrates the floor, all of them lift off, and none exceeds the lift (rolling adds millimeters).
    heights = contact_heights(made, trajectory)
    assert heights.min() > -3e-3
    peaks = heights.max(axis=0)
    assert np.all((peaks > 0.6 * video.facts["lift"]) & (peaks < 1.05 * video.facts["lift"] + 1e-2))


@pytest.mark.parametrize("name", ROBOTS)
def test_standing_feet_do_not_slip(name: str) -> None:
    """During a stance, the foot's body rotates about a contact point that does not move."""
    made = scene(name)
    video = generate(made, fps=100)
    model, data = made.model, mujoco.MjData(made.model)
    bodies = list(dict.fromkeys(int(model.geom_bodyid[model.geom(g).id]) for g in made.spec.feet))
    data.qpos[:] = made.standing_qpos
    mujoco.mj_kinematics(model, data)
    floor = model.geom("floor").id
    for body in bodies:
        feet = [g for g in made.spec.feet if model.geom_bodyid[model.geom(g).id] == body]
        data.qpos[:] = made.standing_qpos
        mujoco.mj_kinematics(model, data)
        segments = np.zeros((len(feet), 6))
        for segment, foot in zip(segments, feet, strict=True):
            mujoco.mj_geomDistance(model, data, model.geom(foot).id, floor, 9.0, segment)
        point = min(segments[:, :3], key=lambda p: p[2])
        local = data.xmat[body].reshape(3, 3).T @ (point - data.xpos[body])
        track = []
        for qpos in video.trajectory:
            data.qpos[:] = qpos
            mujoco.mj_kinematics(model, data)
            track.append(data.xpos[body] + data.xmat[body].reshape(3, 3) @ local)
        track = np.array(track)
        standing = track[:, 2] - track[0, 2] < 1e-3
        starts = np.flatnonzero(np.diff(standing.astype(int), prepend=0) == 1)
        ends = np.flatnonzero(np.diff(standing.astype(int), append=0) == -1)
        assert len(starts) >= 3
        for start, end in zip(starts, ends, strict=True):
            stance = track[start : end + 1]
            assert np.ptp(stance[:, 0]) < 2e-3 and np.ptp(stance[:, 1]) < 2e-3


def test_quadruped_gait_follows_from_the_hip_height() -> None:
    facts = generate(scene("quadruped")).facts
    assert facts["speed"] == pytest.approx(0.8, abs=0.01)
    assert facts["frequency"] == pytest.approx(2.5, abs=0.05)
    assert facts["lift"] == pytest.approx(0.08, abs=0.002)
    assert facts["crouch"] == 0.0


def test_options_override_what_is_derived() -> None:
    asked = {"speed": 0.5, "frequency": 2.0, "duty": 0.7, "lift": 0.05, "ramp": 0.2}
    made = scene("quadruped")
    forward, backward = generate(made, **asked), generate(made, "walking backwards", **asked)
    assert {key: forward.facts[key] for key in asked} == asked
    assert backward.facts["speed"] == -0.5
    traveled = 0.5 * (2.0 - 0.1)
    assert forward.trajectory[-1, 0] == pytest.approx(traveled)
    assert backward.trajectory[-1, 0] == pytest.approx(-traveled)


def test_legs_bend_only_as_far_as_the_video_needs() -> None:
    """Stepping in place with nearly straight legs needs no crouch, long strides do."""
    made = scene("humanoid")
    assert generate(made, "stepping in place").facts["crouch"] == 0.0
    walking = generate(made, seconds=4.0)
    crouch = walking.facts["crouch"]
    assert 0.0 < crouch < 0.15 * made.standing_qpos[2]
    assert walking.trajectory[25:, 2].mean() == pytest.approx(made.standing_qpos[2] - crouch, abs=2e-3)
    knees = [made.model.joint(f"{side}_knee").qposadr[0] for side in "LR"]
    assert walking.trajectory[:, knees].min() > 0.09  # never straight, and far from bending backwards


@pytest.mark.parametrize("name", ["humanoid", "planar"])
def test_soles_stay_flat(name: str) -> None:
    """Except for the heel, which may rise by millimeters before lift-off."""
    made = scene(name)
    video = generate(made)
    data = mujoco.MjData(made.model)
    for qpos in video.trajectory:
        data.qpos[:] = qpos
        mujoco.mj_kinematics(made.model, data)
        for side in "LR":
            np.testing.assert_allclose(data.body(f"{side}_sole").xmat, np.eye(3).ravel(), atol=0.04)


def body_positions(made: FakeScene, trajectory: Any, body: str) -> Any:
    """Center of mass of a body, (T, 3) m."""
    data, found = mujoco.MjData(made.model), []
    for qpos in trajectory:
        data.qpos[:] = qpos
        mujoco.mj_kinematics(made.model, data)
        found.append(data.body(body).xipos.copy())
    return np.array(found)


@pytest.mark.parametrize("skill", ["walking", "walking backwards"])
def test_arms_swing_with_the_legs_of_the_other_side(skill: str) -> None:
    made = scene("humanoid")
    trajectory = generate(made, skill).trajectory
    root = trajectory[:, 0]
    for side, other in ("LR", "RL"):
        hand = body_positions(made, trajectory, f"{side}_hand")[:, 0] - root
        foot, opposite = (body_positions(made, trajectory, f"{leg}_sole")[:, 0] - root for leg in (side, other))
        assert np.ptp(hand) > 0.05
        assert np.corrcoef(hand, opposite)[0, 1] > 0.98 and np.corrcoef(hand, foot)[0, 1] < -0.7
    neck = made.model.joint("neck").qposadr[0]
    assert np.all(trajectory[:, neck] == made.standing_qpos[neck])


def test_a_trunk_that_turns_is_no_arm() -> None:
    body, pose, feet = ROBOTS["humanoid with rolling ankles"]
    plates = "".join(f'<body pos="0 {y} .2"><geom size=".05"/></body>' for y in (0.2, -0.2))
    ROBOTS["armless"] = body + f'<body><joint name="waist" axis="0 0 1"/><geom size=".05"/>{plates}</body>', pose, feet
    made = scene("armless")
    waist = made.model.joint("waist").qposadr[0]
    assert np.all(generate(made).trajectory[:, waist] == 0)
    del ROBOTS["armless"]


def test_hips_sway_over_the_standing_foot_where_ankles_let_soles_stay_flat() -> None:
    swaying = scene("humanoid with rolling ankles")
    trajectory = generate(swaying, fps=100).trajectory
    heights = contact_heights(swaying, trajectory)
    left, right = heights[:, :2].min(axis=1), heights[:, 2:].min(axis=1)
    aside = trajectory[:, 1]
    assert aside[60:][left[60:] > 0.05].max() < -0.005 and aside[60:][right[60:] > 0.05].min() > 0.005
    assert np.ptp(generate(scene("humanoid")).trajectory[:, 1]) == 0


def test_bipeds_walk_slowly() -> None:
    """At a Froude number v^2 / (g L) of people in no hurry; the hips are 0.85 m above the soles."""
    facts = generate(scene("humanoid")).facts
    assert 0.1 < facts["speed"] ** 2 / (9.81 * 0.85) < 0.2
    assert 0.4 < facts["speed"] / (2 * facts["frequency"]) < 0.6  # m, step length


def test_legs_that_do_not_reach_so_far_go_slower_unless_a_speed_is_asked_for() -> None:
    made = scene("quadruped")
    natural = generate(made).facts["speed"]
    thighs = [made.model.joint(f"{leg}_thigh").id for leg in ("FR", "FL", "RR", "RL")]
    made.model.jnt_range[thighs] = [0.6, 1.2]
    assert 0.2 * natural < generate(made).facts["speed"] < 0.9 * natural
    with pytest.raises(ConfigError, match="miss their steps"):
        generate(made, speed=natural)


def test_stiff_ankles_raise_the_heel_instead_of_missing_the_step() -> None:
    made = scene("humanoid")
    ankles = [made.model.joint(f"{side}_ankle").id for side in "LR"]
    made.model.jnt_limited[ankles] = True
    made.model.jnt_range[ankles] = [-0.5, 0.5]
    trajectory = generate(made).trajectory
    angles = trajectory[:, made.model.jnt_qposadr[ankles]]
    assert angles.min() == pytest.approx(-0.5) and angles.max() <= 0.5
    assert contact_heights(made, trajectory).min() > -2e-3


def test_opposite_legs_alternate() -> None:
    heights = contact_heights(scene("quadruped"), generate(scene("quadruped"), fps=100).trajectory)
    fr, fl, rr, rl = (heights[50:] > 0.02).T
    assert np.array_equal(fr, rl) and np.array_equal(fl, rr)
    assert not np.any(fr & fl) and fr.any() and fl.any()


def test_a_robot_without_feet_is_refused() -> None:
    made = scene("quadruped")
    made.spec = replace(made.spec, feet=())
    with pytest.raises(DataError, match="no feet") as caught:
        generate(made)
    assert "RobotSpec.feet" in caught.value.hint


def test_a_foot_without_driven_joints_is_refused() -> None:
    made = scene("quadruped")
    made.spec = replace(made.spec, actuators=tuple(a for a in made.spec.actuators if not a.joint.startswith("RL")))
    with pytest.raises(DataError, match="moves its foot"):
        generate(made)


def test_steps_out_of_reach_are_refused() -> None:
    with pytest.raises(ConfigError, match="miss their steps") as caught:
        generate(scene("quadruped"), speed=5.0)
    assert "--set generator." in caught.value.hint


def test_legs_that_cannot_step_forward_are_refused() -> None:
    made = scene("quadruped")
    made.spec = replace(made.spec, actuators=tuple(a for a in made.spec.actuators if a.joint.endswith("roll")))
    with pytest.raises(ConfigError, match="miss their steps"):
        generate(made)


def test_an_unknown_skill_and_a_missing_scene_are_refused() -> None:
    with pytest.raises(ConfigError, match="dancing"):
        generate(scene("quadruped"), "dancing")
    with pytest.raises(ConfigError, match="scene"):
        generate(None)  # type: ignore[arg-type]


def test_card_and_generator_keep_the_contract() -> None:
    module, name = CARD.target.split(":")
    assert (module, name) == (Gait.__module__, Gait.__name__)
    assert isinstance(Gait(GaitOptions()), VideoGenerator)
    assert all(field.description for field in GaitOptions.model_fields.values())
