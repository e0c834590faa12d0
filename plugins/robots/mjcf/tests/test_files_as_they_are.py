"""Files that MuJoCo loads though they are not quite right: they serve, what was mended is said, and hints work."""

from __future__ import annotations

import re
from pathlib import Path

import mujoco
import numpy as np
import pytest

from nil_core.api import DataError
from nil_core.config import parse_set
from nil_core.sim.scene import compose
from nil_core.testing import check_robot
from nil_robot_mjcf import MjcfOptions
from nil_robot_mjcf.robot import MjcfRobot

LEG = """
<body name="{name}_thigh" pos="{x} {y} 0">
  <joint name="{name}_hip" axis="0 1 0" range="-1.5 1.5"/>
  <geom type="capsule" fromto="0 0 0 0 0 -.2" size=".03"/>
  <body name="{name}_shank" pos="0 0 -.2">
    <joint name="{name} knee" axis="0 1 0" range="-1.5 {upper}"/>
    <geom type="capsule" fromto="0 0 0 0 0 -.2" size=".02"/>
    <geom name="{name}_foot" type="sphere" pos="0 0 -.2" size=".03"/>
  </body>
</body>"""
PLACES = {"fl": (0.2, 0.1), "fr": (0.2, -0.1), "rl": (-0.2, 0.1), "rr": (-0.2, -0.1)}


def text(
    root: str = '<freejoint name="free"/>', size: str = "", more: str = "", inertial: str = "", upper: float = 1.5
) -> str:
    """An MJCF with four legs, whose knees' names need quotes in TOML."""
    legs = "".join(LEG.format(name=name, x=x, y=y, upper=upper) for name, (x, y) in PLACES.items())
    motors = "".join(
        f'<motor joint="{joint}" ctrlrange="-30 30"/>' for name in PLACES for joint in (f"{name}_hip", f"{name} knee")
    )
    return f"""<mujoco>{size}<compiler angle="radian"/>
      <worldbody><body name="trunk" pos="0 0 1">{root}{inertial}
        <geom name="trunk" type="box" size=".25 .1 .06"/>{legs}</body></worldbody>
      <actuator>{motors}</actuator>{more}</mujoco>"""


def home(*angles: float) -> str:
    """A keyframe with the angles of hip and knee, leg by leg; all legs alike where there are two."""
    joints = " ".join(str(angle) for angle in (angles if len(angles) == 8 else angles * 4))
    return f'<keyframe><key name="home" qpos="0 0 1 1 0 0 0 {joints}"/></keyframe>'


@pytest.fixture
def robot(tmp_path: Path):
    def make(content: str, **options: object) -> MjcfRobot:
        path = tmp_path / ("robot.urdf" if content.startswith("<robot") else "robot.xml")
        path.write_text(content)
        return MjcfRobot(MjcfOptions(path=path, **options))

    return make


def test_a_keyframe_just_outside_a_limit_is_moved_inside_with_a_remark(robot):
    made = robot(text(more=home(0.3, -1.52)))
    assert made.spec.standing_pose["rr knee"] == -1.5
    assert "keyframe home puts joint fl knee at -1.520, outside its limits: it stands at -1.500" in made.describe()


def test_the_option_wins_over_a_bad_keyframe(robot):
    """Also where it names only the joints that are bad."""
    bad = text(more=home(0.3, -2.5, 0, 0, 0, 0, 0, 0))
    with pytest.raises(DataError, match=r"keyframe home puts joint fl knee at -2\.500, outside its limits"):
        robot(bad)
    pose = robot(bad, standing_pose={"fl knee": -0.4}).spec.standing_pose
    assert pose == {"fl_hip": 0.3, "fl knee": -0.4}


def test_announced_keyframes_without_content_are_none(robot):
    """``<size nkey>`` makes MuJoCo add keyframes in which every joint is at 0."""
    made = robot(text(size='<size nkey="3"/>', upper=-0.1))
    assert "the model's own pose" in made.describe() and "note: keyframe" not in made.describe()
    assert made.spec.standing_pose["fl knee"] == -0.1


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        (text(more=home(0.0, -2.5)), {}, "and 3 more"),
        (text(), {"standing_pose": {"fl knee": 2.0, "fr_hip": -0.1}}, "outside its limits"),
        (text(root=""), {}, "fixed to the world by its root trunk"),
        (text(inertial='<inertial pos="0 0 0" mass="5" diaginertia="9 1 1"/>'), {}, "must satisfy A . B >= C"),
        (text(inertial='<inertial pos="0 0 0" mass="5" fullinertia="1 1 1 2 0 0"/>'), {}, "positive eigenvalues"),
        (text().replace("</worldbody>", '<body name="b" pos="0 0 9"><freejoint/><geom size=".1"/><body name="a">'
            '<joint name="j"/><geom size=".1"/></body></body></worldbody>'), {}, "2 robots: trunk, b"),
        (re.sub("<motor[^>]*>", "", text()).replace("<actuator>", '<actuator><adhesion body="trunk" ctrlrange="0 1"/>'),
            {}, "drive no hinge"),
        (text(), {"root": "paw"}, "no robot has the root 'paw'"),
    ],
)  # fmt: skip
def test_every_hint_works(robot, content: str, options: dict[str, object], says: str):
    with pytest.raises(DataError, match=says) as caught:
        robot(content, **options)
    assert "\n" not in caught.value.message
    made = robot(content, **options | followed(caught.value.hint))
    check_robot(made)


def followed(hint: str) -> dict[str, object]:
    """The options of the robot that a hint sets, as the command line reads them."""
    found = re.search(r"--set ('[^']*'|[^\s;,]+)", hint)
    assert found, hint
    key, value = parse_set(found[1].strip("'"))
    assert key.startswith("robot.")
    return {key.removeprefix("robot."): value}


def test_a_planar_robot_is_told_in_a_sentence_of_its_own(robot):
    joints = "".join(f'<joint name="root{a}" type="slide" axis="{v}"/>' for a, v in (("x", "1 0 0"), ("z", "0 0 1")))
    with pytest.raises(DataError, match="moves in a plane: its root trunk is held by rootx, rootz, pitch") as caught:
        robot(text(root=joints + '<joint name="pitch" axis="0 1 0"/>'))
    assert "free joint" in caught.value.hint


def test_feet_in_the_air_are_said(robot):
    """A dog that rests on its hind legs has four feet all the same."""
    made = robot(text(more=home(0, -1.4, 0, -1.4, 0, 0, 0, 0)))
    assert made.spec.feet == ("rl_foot", "rr_foot")
    (note,) = (line for line in made.describe().splitlines() if "note" in line)
    assert "fl_foot, fr_foot may be feet too" in note
    path = made._options.path
    pose, _, named = note.partition("; ")
    assert followed(pose) == {"standing_pose": {"fl knee": 0, "fr knee": 0}}
    on_four = MjcfRobot(MjcfOptions(path=path, **followed(pose)))
    assert on_four.spec.feet == ("fl_foot", "fr_foot", "rl_foot", "rr_foot") and "note" not in on_four.describe()
    again = MjcfRobot(MjcfOptions(path=path, **followed(named)))
    assert again.spec.feet == ("rl_foot", "rr_foot", "fl_foot", "fr_foot") and "note" not in again.describe()


def test_a_clear_stand_has_no_doubts(robot):
    assert "note" not in robot(text()).describe()


def test_knees_that_cannot_be_straight_do_not_make_a_dog_fall(robot):
    """The model's own pose within its limits leans; the legs make up for it."""
    made = robot(text(upper=-0.9))
    scene = compose(made, "pd", 0.004, 64)
    data = mujoco.MjData(scene.model)
    data.qpos[:], data.ctrl[:] = scene.standing_qpos, scene.standing_ctrl
    mujoco.mj_forward(scene.model, data)
    feet = np.mean([data.geom(foot).xpos[0] for foot in made.spec.feet])
    assert abs(data.subtree_com[0, 0] - feet) < 0.03


def test_weak_joints_are_named_where_a_robot_sinks(robot):
    with pytest.raises(DataError, match=r"at their torque limits: .*fl_hip \(1 N m\)") as caught:
        compose(robot(text(more=home(0.6, -1.2)), torque_limit=1.0), "pd", 0.004, 64)
    assert "raise these limits" in caught.value.hint and "PD gains" in caught.value.hint


def test_a_physics_step_that_is_too_long_is_said_with_one_that_is_not(robot):
    made = robot(text().replace('range="-1.5 1.5"/>', 'range="-1.5 1.5" stiffness="300000"/>'))
    with pytest.raises(DataError, match=r"unstable with physics steps of 0\.004 s") as caught:
        compose(made, "pd", 0.004, 64)
    key, value = parse_set(caught.value.hint.removeprefix("--set "))
    assert key == "environment.timestep"
    compose(made, "pd", value, 64)


LINK = """<link name="{name}"><inertial><mass value="{mass}"/><inertia ixx="{i}" iyy="{i}" izz="{i}" ixy="0" ixz="0"
  iyz="0"/></inertial>{shapes}</link>"""
JOINT = """<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/><origin xyz="{xyz}"/>
  <axis xyz="{axis}"/><limit lower="-1" upper="1" effort="60" velocity="9"/></joint>"""


def biped(kind: str = "revolute", sole: str = '<box size=".2 .08 .04"/>') -> str:
    """A URDF of 30 kg on two legs with hip, knee and ankles, whose feet weigh next to nothing."""
    parts = [
        LINK.format(name="trunk", mass=24, i=0.5, shapes='<visual><geometry><box size=".2 .3 .4"/></geometry></visual>')
    ]
    for side, y in (("l", 0.1), ("r", -0.1)):
        chain = [("hip_roll", "1 0 0", f"0 {y} -.2", 1), ("hip", "0 1 0", "0 0 0", 1), ("knee", "0 1 0", "0 0 -.3", 1),
                 ("ankle", "0 1 0", "0 0 -.3", 0.05), ("ankle_roll", "1 0 0", "0 0 0", 0.05)]  # fmt: skip
        above = "trunk"
        for name, axis, xyz, mass in chain:
            foot = f'<origin xyz=".03 0 -.05"/><geometry>{sole}</geometry>' if name == "ankle_roll" else ""
            shapes = f"<collision>{foot}</collision>" if foot else ""
            link = f"{side}_{name}_link"
            parts.append(LINK.format(name=link, mass=mass, i=2e-5 if mass < 1 else 0.01, shapes=shapes))
            parts.append(JOINT.format(name=f"{side}_{name}", kind=kind, parent=above, child=link, xyz=xyz, axis=axis))
            above = link
    return f'<robot name="biped">{"".join(parts)}</robot>'


CORNERS = [(x, y, z) for x in (-0.1, 0.1) for y in (-0.04, 0.04) for z in (-0.02, 0.02)]
FACES = ("1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4")
SOLE = "\n".join([*(f"v {x} {y} {z}" for x, y, z in CORNERS), *(f"f {face}" for face in FACES)])


@pytest.mark.parametrize("kind", ["revolute", "continuous"])
def test_a_urdf_biped_stands_though_it_cannot_say_what_its_motors_weigh(robot, kind: str):
    made = robot(biped(kind))
    assert len(made.spec.actuators) == 10, "hinges without limits are driven too"
    assert "motors add up to" in made.describe()
    check_holds(made)


def test_a_biped_does_not_stand_on_meshes(robot, tmp_path):
    (tmp_path / "sole.obj").write_text(SOLE)
    made = robot(biped(sole='<mesh filename="sole.obj"/>'))
    model = made.build().compile()
    for foot in made.spec.feet:
        geom = model.geom(foot)
        assert geom.type[0] == mujoco.mjtGeom.mjGEOM_BOX
        np.testing.assert_allclose(geom.size, (0.1, 0.04, 0.02), atol=1e-6)
        np.testing.assert_allclose(geom.pos, (0.03, 0, -0.05), atol=1e-6)
    assert "robot.box_soles=false" in made.describe()
    check_holds(made)
    meshes = robot(biped(sole='<mesh filename="sole.obj"/>'), box_soles=False)
    assert meshes.build().compile().geom(meshes.spec.feet[0]).type[0] == mujoco.mjtGeom.mjGEOM_MESH


def check_holds(made: MjcfRobot) -> None:
    check_robot(made)
    scene = compose(made, "pd", 0.004, 64)
    data = mujoco.MjData(scene.model)
    data.qpos[:], data.ctrl[:] = scene.standing_qpos, scene.standing_ctrl
    mujoco.mj_step(scene.model, data, 1000)
    assert data.qpos[2] == pytest.approx(scene.standing_qpos[2], abs=0.01)


def test_a_urdf_that_faces_backwards_keeps_its_meshes(robot, tmp_path):
    """As iCub's: turned, its root becomes the child of a body that faces forwards."""
    (tmp_path / "sole.obj").write_text(SOLE)
    made = robot(biped(sole='<mesh filename="sole.obj"/>').replace('xyz=".03 0 -.05"', 'xyz="-.03 0 -.05"'))
    assert made.spec.root == "trunk_upright"
    check_robot(made)


def test_a_model_without_colliders_touches_with_what_is_seen(robot):
    content = biped().replace("collision", "visual")
    made = robot(content)
    check_robot(made)
    assert len(made.spec.feet) == 2


def test_zeros_after_the_end_are_read_over_as_by_mujoco(robot, tmp_path):
    path = tmp_path / "padded.urdf"
    path.write_bytes(biped().encode() + b"\r\n\0")
    assert len(MjcfRobot(MjcfOptions(path=path)).spec.actuators) == 10
