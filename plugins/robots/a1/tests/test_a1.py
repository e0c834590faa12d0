"""The A1: its source's mass, ranges and torques; it stands, falls and moves as a body should."""

from __future__ import annotations

from pathlib import Path

import mujoco
import pytest

from nil_core.testing import (
    check_card,
    check_damaged_files,
    check_falls,
    check_light,
    check_mirrored,
    check_missing_package,
    check_robot,
    check_seen,
    check_source,
    check_stands,
    robot_scene,
    urdf_source,
)
from nil_robot_a1 import CARD, A1Options, quadruped
from nil_robot_a1.quadruped import A1, SPEC

SOURCE = quadruped.packaged_folder(quadruped.PACKAGE, quadruped.FOLDER, quadruped.INSTALL)
DRIVEN = [actuator.joint for actuator in SPEC.actuators]


def mirror_image(joint: str) -> tuple[str, int]:
    """The joint's counterpart, and -1 where its positive sense is the other way."""
    leg, segment, _ = joint.split("_")
    partner = leg[0] + ("L" if leg[1] == "R" else "R")
    return f"{partner}_{segment}_joint", -1 if segment == "hip" else 1


@pytest.fixture(scope="module")
def robot() -> A1:
    return A1(A1Options())


@pytest.fixture(scope="module")
def model(robot) -> mujoco.MjModel:
    return robot.build().compile()


@pytest.fixture(scope="module")
def held(robot):
    return robot_scene(robot, "pd")


def test_contract(robot):
    check_card(CARD)
    check_light("nil_robot_a1")
    check_robot(robot)


def test_is_its_source(robot):
    check_source(robot, urdf_source(SOURCE / "a1.urdf"))


def test_joints_are_damped_as_in_menagerie(model):
    for joint in DRIVEN:
        assert model.joint(joint).damping[0] == (1.0 if "hip" in joint else 2.0)


def test_feet_are_hard_spheres_and_markers_are_gone(model):
    for name in SPEC.feet:
        foot = model.geom(name)
        assert model.geom_type[foot.id] == mujoco.mjtGeom.mjGEOM_SPHERE
        assert foot.size[0] == pytest.approx(0.02)
        assert foot.friction[0] == 0.8
        assert foot.solimp.tolist() == [0.9, 0.95, 0.001, 0.5, 2.0]
    assert (model.geom_size[model.geom_group == 3][:, 0] > 0.005).all()


def test_stands_for_five_seconds_on_its_feet(held):
    check_stands(held)


def test_falls_without_torque(robot):
    check_falls(robot_scene(robot, "torque"))


@pytest.mark.parametrize("seed", range(3))
def test_mirrored_actions_give_mirrored_motion(held, seed: int):
    check_mirrored(held, {joint: mirror_image(joint) for joint in DRIVEN}, seed)


def test_is_seen_whole_and_bright(held, model):
    check_seen(held)
    assert model.geom_rgba[model.geom_group == 2][:, :3].max(axis=1).min() > 0.3  # no part is nearly black


def test_self_collision_touches_nothing_while_standing(held):
    model = A1(A1Options(self_collision=True)).build().compile()
    assert (model.geom_contype[model.geom_group == 3] == 1).all()
    data = mujoco.MjData(model)
    data.qpos[:] = held.standing_qpos
    mujoco.mj_forward(model, data)
    assert data.ncon == 0


def test_missing_and_damaged_files_are_told(robot, tmp_path: Path):
    check_missing_package(robot, quadruped.INSTALL)
    check_damaged_files(robot, quadruped, SOURCE.parent, "urdf/a1.urdf", "meshes/calf.dae", tmp_path)
