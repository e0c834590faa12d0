"""The H1: its source's mass, ranges and torques; it stands, falls and moves as a body should."""

from __future__ import annotations

from pathlib import Path

import mujoco
import pytest

from nil_core.testing import (
    check_card,
    check_damaged_files,
    check_falls,
    check_light,
    check_menagerie,
    check_mirrored,
    check_missing_package,
    check_robot,
    check_seen,
    check_source,
    check_stands,
    mjcf_source,
    robot_scene,
)
from nil_robot_h1 import CARD, H1Options, humanoid
from nil_robot_h1.humanoid import H1, SPEC

SOURCE = humanoid.packaged_folder(humanoid.PACKAGE, humanoid.FOLDER, humanoid.INSTALL)
SWAP = {"left": "right", "right": "left"}
SIDEWAYS = ("yaw", "roll", "torso")
DRIVEN = [actuator.joint for actuator in SPEC.actuators]


def mirror_image(joint: str) -> tuple[str, int]:
    """The joint's counterpart, and -1 where its positive sense is the other way."""
    side, _, rest = joint.partition("_")
    return f"{SWAP[side]}_{rest}" if side in SWAP else joint, -1 if any(axis in joint for axis in SIDEWAYS) else 1


@pytest.fixture(scope="module")
def robot() -> H1:
    return H1(H1Options())


@pytest.fixture(scope="module")
def model(robot) -> mujoco.MjModel:
    return robot.build().compile()


@pytest.fixture(scope="module")
def held(robot):
    return robot_scene(robot, "pd")


def test_contract(robot):
    check_card(CARD)
    check_light("nil_robot_h1")
    check_robot(robot)


def test_is_its_source(robot):
    check_source(robot, mjcf_source(SOURCE / "h1.xml"))


def test_joints_are_as_stiff_as_the_sources(model):
    source = mujoco.MjModel.from_xml_path(str(SOURCE / "h1.xml"))
    for joint in DRIVEN:
        ours, theirs = model.joint(joint), source.joint(joint)
        assert (ours.damping[0], ours.armature[0]) == (theirs.damping[0], theirs.armature[0])
    assert [source.actuator(i).name for i in range(source.nu)] == DRIVEN


def test_stands_for_five_seconds_on_its_feet(held):
    check_stands(held)


def test_falls_without_torque(robot):
    check_falls(robot_scene(robot, "torque"))


@pytest.mark.parametrize("seed", range(3))
def test_mirrored_actions_give_mirrored_motion(held, seed: int):
    check_mirrored(held, {joint: mirror_image(joint) for joint in DRIVEN}, seed)


def test_is_seen_whole_and_bright(held, model):
    check_seen(held)
    assert model.mat_rgba[:, :3].max(axis=1).min() > 0.3  # no part is nearly black


def test_self_collision_touches_nothing_while_standing(held):
    model = H1(H1Options(self_collision=True)).build().compile()
    assert (model.geom_contype[model.geom_group == 3] == 1).all()
    data = mujoco.MjData(model)
    data.qpos[:] = held.standing_qpos
    mujoco.mj_forward(model, data)
    assert data.ncon == 0


def test_missing_and_damaged_files_are_told(robot, tmp_path: Path):
    check_missing_package(robot, humanoid.INSTALL)
    mesh = next((SOURCE / "assets").glob("*torso*")).relative_to(SOURCE)
    check_damaged_files(robot, humanoid, SOURCE, "h1.xml", str(mesh), tmp_path)


def test_menagerie_uses_what_is_downloaded_and_downloads_nothing(tmp_path: Path):
    check_menagerie(H1(H1Options(menagerie=True)), "unitree_h1", SOURCE, tmp_path)
