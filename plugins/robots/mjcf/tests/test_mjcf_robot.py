"""Any robot from a file: what is derived, what can be overridden, and what is said of files that cannot serve."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest
from dm_control.suite import common
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_core.api import ConfigError, DataError, NilError
from nil_core.sim.scene import compose, scene_fingerprint
from nil_core.testing import check_robot
from nil_robot_mjcf import MjcfOptions
from nil_robot_mjcf.isolate import face_forward, tilt
from nil_robot_mjcf.robot import MjcfRobot

SUITE = Path(common.__file__).parents[1]

LEG = """
<body name="{name}_thigh" pos="{x} {y} 0">
  <joint name="{name}_hip" axis="0 1 0" range="-60 60"/>
  <geom type="capsule" fromto="0 0 0 0 0 -.2" size=".03"/>
  <body name="{name}_shank" pos="0 0 -.2">
    <joint name="{name}_knee" axis="0 1 0" range="-120 0" {knee}/>
    <geom type="capsule" fromto="0 0 0 0 0 -.2" size=".02"/>
    <geom name="{name}_foot" type="sphere" pos="0 0 -.2" size=".03"/>
  </body>
</body>"""
PLACES = {"fl": (0.2, 0.1), "fr": (0.2, -0.1), "rl": (-0.2, 0.1), "rr": (-0.2, -0.1)}


def text(
    root: str = '<freejoint name="free"/>', knee: str = "", quat: str = "1 0 0 0", motors: bool = True, more: str = ""
) -> str:
    """An MJCF with four legs, a floor, a ball, a light, a camera and a sensor."""
    legs = "".join(LEG.format(name=name, x=x, y=y, knee=knee) for name, (x, y) in PLACES.items())
    motor_lines = "".join(
        f'<motor joint="{name}_{joint}" gear="2" ctrlrange="-15 15"/>' for name in PLACES for joint in ("hip", "knee")
    )
    return f"""<mujoco model="four legs">
      <default><geom condim="1" rgba="1 0 0 1"/><general ctrllimited="true" ctrlrange="0 1"/></default>
      <asset><texture name="floor" builtin="flat" type="2d" width="8" height="8"/>
        <material name="floor" texture="floor"/></asset>
      <worldbody>
        <light pos="0 0 2"/><camera name="watch" pos="0 -2 1"/>
        <geom name="floor" type="plane" size="1 1 1" material="floor"/>
        <body name="ball" pos="1 0 1"><freejoint/><geom name="ball" size=".1"/></body>
        <body name="trunk" pos="3 1 2" quat="{quat}">{root}<geom name="trunk" type="box" size=".25 .1 .06"/>
          <site name="imu"/>{legs}</body>
      </worldbody>
      <actuator>{motor_lines if motors else ""}</actuator>
      <sensor><gyro site="imu"/></sensor>{more}</mujoco>"""


@pytest.fixture
def robot(tmp_path: Path):
    def make(mjcf: str | None = None, **options: object) -> MjcfRobot:
        path = tmp_path / "four_legs.xml"
        path.write_text(text() if mjcf is None else mjcf)
        return MjcfRobot(MjcfOptions(path=path, **options))

    return make


def test_what_is_derived(robot):
    spec = robot().spec
    assert (spec.name, spec.prompt_name) == ("four_legs", "four legs")
    assert (spec.root, spec.torso) == ("trunk", "trunk")
    assert spec.feet == ("fl_foot", "fr_foot", "rl_foot", "rr_foot")
    assert spec.standing_height == pytest.approx(0.43, abs=1e-6)
    assert [a.joint for a in spec.actuators] == [f"{leg}_{joint}" for leg in PLACES for joint in ("hip", "knee")]
    assert {a.torque_limit for a in spec.actuators} == {30.0}
    assert 0.5 < spec.camera.distance < 3 and 0.1 < spec.camera.height < 0.43
    assert 0 < spec.fall.min_height < spec.standing_height


def test_the_contract_and_the_scenery_left_out(robot):
    made = robot()
    check_robot(made)
    draft = made.build()
    assert not (draft.sensors or draft.cameras or draft.lights or draft.keys or draft.materials or draft.textures)
    model = draft.compile()
    colliders = model.geom_group == 3
    assert colliders.sum() == (~colliders).sum() == 13
    assert (model.geom_contype == 0).all()


def test_visual_copies_keep_mass_and_inertia(robot, tmp_path):
    made = robot()
    before, after = mujoco.MjModel.from_xml_string(text()), made.build().compile()
    for name in ("trunk", "fl_thigh", "rr_shank"):
        assert after.body(name).mass == pytest.approx(before.body(name).mass)
        np.testing.assert_allclose(after.body(name).inertia, before.body(name).inertia)
    np.testing.assert_allclose(after.geom("fl_foot_visual").pos, after.geom("fl_foot").pos)


def test_defaults_of_the_file_do_not_reach_the_core(robot):
    defaults = '<default><material specular="0.9"/><light diffuse="1 0 0"/><mesh scale="9 9 9"/>'
    model = compose(robot(text().replace("<default>", defaults, 1)), "pd", 0.004, 64).model
    assert not model.actuator_ctrllimited.any()
    assert model.geom_condim[model.geom("floor").id] == 3
    assert model.mat_specular[model.material("floor").id] == 0.5
    np.testing.assert_allclose(model.light_diffuse[0], 0.7, rtol=1e-6)


def test_overrides(robot):
    made = robot(
        prompt_name="Rex", torso="fl_thigh", joints=("rr_hip", "fl_knee"), feet=("rr_foot",), standing_height=0.5,
        standing_pose={"fl_knee": -0.5}, torque_limit={"rr_hip": 7.0}, kp=11.0, kd={"fl_knee": 3.0}, action_range=0.3,
        camera_distance=4.0, camera_height=0.0, camera_azimuth=0.0, camera_elevation=-10.0, min_height=0.2,
    )  # fmt: skip
    spec = made.spec
    assert (spec.prompt_name, spec.torso, spec.feet, spec.standing_height) == ("Rex", "fl_thigh", ("rr_foot",), 0.5)
    assert spec.standing_pose == {"fl_knee": -0.5}
    hip, knee = spec.actuators
    assert (hip.joint, hip.torque_limit, hip.kp, hip.action_range) == ("rr_hip", 7.0, 11.0, 0.3)
    assert (knee.joint, knee.torque_limit, knee.kd) == ("fl_knee", 30.0, 3.0)
    camera = spec.camera
    assert (camera.distance, camera.height, camera.azimuth, camera.elevation) == (4.0, 0.0, 0.0, -10.0)
    assert spec.fall.min_height == 0.2


def test_self_collision_keeps_the_contact_bits(robot):
    model = robot(self_collision=True).build().compile()
    assert (model.geom_contype[model.geom_group == 3] == 1).all()


def test_a_joint_without_limits_gets_a_torque_limit(robot):
    spec = robot(text(motors=False), joints=("fl_hip",)).spec
    assert 0 < spec.actuators[0].torque_limit < np.inf


def test_the_joints_own_force_limit_holds(robot):
    limits = {a.joint: a.torque_limit for a in robot(text(knee='actuatorfrcrange="-4 5"')).spec.actuators}
    assert limits["fl_knee"] == 5.0 and limits["fl_hip"] == 30.0


def test_a_file_without_actuators_has_all_hinges_driven(robot):
    made = robot(text(motors=False))
    assert len(made.spec.actuators) == 8 and "no actuators: all 8 hinges are driven" in made.describe()


def keyframes(knee: float) -> str:
    pose = " ".join(["0 0 1 1 0 0 0", "0 0 1 1 0 0 0", *[f"0 {knee}"] * 4])  # the ball, the robot
    return f'<keyframe><key name="lying"/><key name="home" qpos="{pose}"/></keyframe>'


def test_the_home_keyframe_is_the_stand(robot):
    made = robot(text(more=keyframes(-0.6)))
    assert made.spec.standing_pose == {f"{leg}_knee": -0.6 for leg in PLACES}
    assert made.spec.standing_height == pytest.approx(0.23 + 0.2 * np.cos(0.6), abs=1e-6)
    assert "keyframe home" in made.describe()


def test_a_root_whose_own_axes_lie_is_carried_by_one_that_stands(robot):
    lying = text(quat="0.7071068 0.7071068 0 0").replace("0 0 -.2", "0 -.2 0")
    for x, y in PLACES.values():
        lying = lying.replace(f'pos="{x} {y} 0"', f'pos="{x} 0 {y}"')
    made = robot(lying.replace('axis="0 1 0"', 'axis="0 0 -1"'))
    check_robot(made)
    assert made.spec.root == "trunk_upright"
    assert made.spec.standing_height == pytest.approx(0.43, abs=1e-6)


def test_what_was_derived_is_logged(robot, caplog):
    with caplog.at_level(logging.INFO, logger="nil.plugins"):
        made = robot()
    assert made.describe() in caplog.text
    for actuator in made.spec.actuators:
        assert actuator.joint in made.describe()


@pytest.mark.parametrize(
    ("mjcf", "options", "says"),
    [
        (text(root='<joint name="spin" axis="0 0 1"/>'), {}, "no legged robot on a free joint"),
        (text().replace("</worldbody>", '<body name="second" pos="0 0 9"><freejoint/><geom size=".1"/><body name="arm">'
              '<joint name="j"/><geom size=".1"/></body></body></worldbody>'), {}, "2 robots: trunk, second"),
        (text(more=keyframes(0.4)), {}, "keyframe home puts joint fl_knee at 0.400, outside its limits"),
        (text(), {"standing_pose": {"fl_knee": 1.0}}, "outside its limits"),
        (text(), {"standing_pose": {"elbow": 1.0}}, "no joint of the model: 'elbow'"),
        (text(), {"root": "ball"}, "no robot has the root 'ball'"),
        (text(), {"joints": ("elbow",)}, "no joint named elbow"),
        (text(), {"feet": ("paw",)}, "no geom named paw"),
        (text(), {"torso": "chest"}, "no body named chest"),
        ("walk like a dog", {}, "is not XML"),
        ("<html/>", {}, "neither MJCF nor URDF"),
        ("<mujoco><worldbody><joint/></worldbody></mujoco>", {}, "does not compile|cannot be read"),
        ('<mujoco><asset><mesh name="m" file="gone.stl"/></asset></mujoco>', {}, "gone.stl"),
        (text(more='<contact><pair geom1="fl_foot" geom2="rug"/></contact>'), {}, "geom 'rug' not found"),
        (re.sub('_thigh" pos="([^"]*) 0"', r'_thigh" pos="\1 .6"', text()).replace("box", 'box" pos="0 0 .6'), {},
            "origin of the root is 0.17 m below all"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_a_hint(robot, mjcf, options, says):
    with pytest.raises(NilError, match=says) as caught:
        robot(mjcf, **options)
    assert "\n" not in caught.value.message and caught.value.hint and "\n" not in caught.value.hint
    assert not re.search(r"[:,] ,", caught.value.hint), "what has no name is not listed"


def test_no_path_and_no_file(tmp_path):
    with pytest.raises(ConfigError, match="needs a model file"):
        MjcfRobot(MjcfOptions())
    with pytest.raises(DataError, match="there is no robot model"):
        MjcfRobot(MjcfOptions(path=tmp_path / "gone.xml"))


URDF = """<robot name="biped"><link name="trunk"><inertial><mass value="5"/><inertia ixx=".1" iyy=".1" izz=".1" ixy="0"
  ixz="0" iyz="0"/></inertial><collision><geometry><box size=".1 .3 .2"/></geometry></collision></link>{legs}</robot>"""
URDF_LEG = """<link name="{s}_leg"><inertial><origin xyz="0 0 -.2"/><mass value="1"/><inertia ixx=".01" iyy=".01"
  izz=".01" ixy="0" ixz="0" iyz="0"/></inertial>{visual}<collision>
  <origin xyz=".03 0 -.4"/><geometry><box size=".2 .1 .04"/>
  </geometry></collision></link><joint name="{s}_hip" type="revolute"><parent link="trunk"/><child link="{s}_leg"/>
  <origin xyz="0 {y} 0"/><axis xyz="0 1 0"/><limit lower="-1" upper="1" effort="40" velocity="9"/></joint>"""


def urdf(visual: str = "") -> str:
    return URDF.format(legs="".join(URDF_LEG.format(s=s, y=y, visual=visual) for s, y in (("l", 0.1), ("r", -0.1))))


def test_a_urdf(tmp_path):
    (tmp_path / "biped.urdf").write_text(urdf())
    made = MjcfRobot(MjcfOptions(path=tmp_path / "biped.urdf"))
    check_robot(made)
    assert [(a.joint, a.torque_limit) for a in made.spec.actuators] == [("l_hip", 40.0), ("r_hip", 40.0)]
    assert made.spec.standing_height == pytest.approx(0.42, abs=1e-6)
    assert len(made.spec.feet) == 2 and made.spec.camera.azimuth == 55 and made.spec.reference_seconds == 4.0


def test_a_urdf_finds_its_meshes_by_package(tmp_path):
    """Two slashes or three, from the folder of the package upwards."""
    folder = tmp_path / "biped_description"
    for name in ("urdf", "meshes"):
        (folder / name).mkdir(parents=True)
    triangles = [(0, 1, 2), (0, 3, 1), (0, 2, 3), (1, 3, 2)]
    corners = [(0, 0, 0), (0.1, 0, 0), (0, 0.1, 0), (0, 0, -0.2)]
    faces = [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in triangles]
    (folder / "meshes" / "leg.obj").write_text("\n".join([*(f"v {x} {y} {z}" for x, y, z in corners), *faces]))
    for slashes in ("//", "///"):
        mesh = f'<mesh filename="package:{slashes}biped_description/meshes/leg.obj"/>'
        (folder / "urdf" / "biped.urdf").write_text(urdf(f"<visual><geometry>{mesh}</geometry></visual>"))
        made = MjcfRobot(MjcfOptions(path=folder / "urdf" / "biped.urdf"))
        check_robot(made)
        assert [mesh.name for mesh in made.build().meshes] == ["leg"]


def test_an_unreadable_mesh_is_one_line(robot, tmp_path):
    (tmp_path / "trunk.stl").write_bytes(b"no mesh")
    mesh = '<asset><mesh name="trunk" file="trunk.stl"/>'
    with pytest.raises(DataError, match=r"trunk\.stl") as caught:
        robot(text().replace("<asset>", mesh).replace('type="box" size=".25 .1 .06"', 'type="mesh" mesh="trunk"'))
    assert "\n" not in caught.value.message and caught.value.hint


def test_an_edited_file_is_another_scene(robot):
    """So that no video of the former robot comes from the cache."""
    before, again, edited = (
        scene_fingerprint(compose(robot(mjcf), "pd", 0.004, 64, simplify=False))
        for mjcf in (text(), text(), text().replace('size=".25 .1 .06"', 'size=".25 .1 .08"'))
    )
    assert before == again != edited


def test_a_urdf_whose_package_is_not_there(tmp_path):
    mesh = '<visual><geometry><mesh filename="package://biped/leg.stl"/></geometry></visual>'
    (tmp_path / "biped.urdf").write_text(urdf(mesh))
    with pytest.raises(DataError, match=r"package://biped/leg\.stl") as caught:
        MjcfRobot(MjcfOptions(path=tmp_path / "biped.urdf"))
    assert "folders above" in caught.value.hint


@settings(deadline=None)
@given(st.floats(-3, 3), st.floats(-3, 3))
def test_turning_about_the_vertical(lean, heading):
    leaning = np.array([np.cos(lean / 2), np.sin(lean / 2), 0, 0])
    result = face_forward(leaning, heading)
    assert tilt(result) == pytest.approx(abs(lean), abs=1e-6)
    np.testing.assert_allclose(face_forward(result, -heading), leaning, atol=1e-12)


def test_a_biped_keeps_the_angles_that_are_set():
    free = MjcfRobot(MjcfOptions(path=SUITE / "humanoid.xml")).spec.standing_pose
    knees = {"right_knee": -0.4, "left_knee": -0.4}
    bent = MjcfRobot(MjcfOptions(path=SUITE / "humanoid.xml", standing_pose=knees)).spec.standing_pose
    assert {joint: bent[joint] for joint in knees} == knees
    assert abs(bent["right_ankle_y"] - free["right_ankle_y"]) > 0.05, "the ankles make up for the knees"
    whole = dict.fromkeys(free, 0.0) | knees
    assert MjcfRobot(MjcfOptions(path=SUITE / "humanoid.xml", standing_pose=whole)).spec.standing_pose == whole


@pytest.mark.parametrize(
    ("file", "joints", "feet"),
    [("quadruped.xml", 16, 4), ("humanoid.xml", 21, 4), ("humanoid_CMU.xml", 56, 6)],
)
def test_dm_controls_robots_stand(file: str, joints: int, feet: int):
    made = MjcfRobot(MjcfOptions(path=SUITE / file))
    check_robot(made)
    assert (len(made.spec.actuators), len(made.spec.feet)) == (joints, feet)
    scene = compose(made, "pd", 0.004, 64, simplify=False)
    data = mujoco.MjData(scene.model)
    data.qpos[:], data.ctrl[:] = scene.standing_qpos, scene.standing_ctrl
    mujoco.mj_step(scene.model, data, 500)
    assert data.qpos[2] == pytest.approx(scene.standing_qpos[2], abs=0.01)


def test_a_skin_becomes_a_mesh_of_each_body(robot):
    """Each triangle is drawn by the body that moves one of its corners most, where the skin showed it."""
    bones = """
      <bone body="trunk" bindpos="0 0 0" bindquat="1 0 0 0" vertid="0 1 2 3" vertweight="1 1 1 .3"/>
      <bone body="fl_thigh" bindpos=".2 .1 0" bindquat="1 0 0 0" vertid="3 4 5 6" vertweight=".7 1 1 1"/>"""
    skin = f"""<skin name="hide" rgba="0 1 0 1" vertex="0 0 0 .1 0 0 0 .1 0 .2 .1 0 .3 .1 0 .2 .2 0 .3 .1 .1"
      face="0 1 2 0 2 3 1 3 2 0 3 1 3 4 5 3 5 6 4 6 5 3 6 4">{bones}</skin>"""
    model = robot(text().replace("</asset>", f"</asset><deformable>{skin}</deformable>")).build().compile()
    assert model.nskin == 0
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    for body, corners in (("trunk", 4), ("fl_thigh", 6)):
        (geom,) = (
            i for i in range(model.ngeom) if model.geom(i).name.startswith("hide") and geom_body(model, i) == body
        )
        assert model.geom_rgba[geom].tolist() == [0, 1, 0, 1] and model.geom_group[geom] == 2
        mesh = model.geom_dataid[geom]
        first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        assert count >= corners
        points = model.mesh_vert[first : first + count] @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
        shared = data.xpos[model.body("trunk").id] + (0.2, 0.1, 0)
        assert np.linalg.norm(points - shared, axis=1).min() < 1e-6


def geom_body(model: mujoco.MjModel, geom: int) -> str:
    return str(model.body(model.geom_bodyid[geom]).name)


def test_the_card_imports_nothing_heavy():
    code = "import sys, nil_robot_mjcf; print([m for m in ('mujoco', 'trimesh', 'collada') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
