"""The Talos: its source's mass, ranges and torques; it stands, falls and moves as a body should."""

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
from nil_robot_talos import CARD, TalosOptions, humanoid
from nil_robot_talos.humanoid import SPEC, Talos

SOURCE = humanoid.packaged_folder(humanoid.PACKAGE, humanoid.FOLDER, humanoid.INSTALL)
SWAP = {"left": "right", "right": "left"}
PITCH = ("torso_2", "leg_3", "leg_4", "leg_5", "arm_4")  # these turn about the lateral axis
DRIVEN = [actuator.joint for actuator in SPEC.actuators]


def mirror_image(joint: str) -> tuple[str, int]:
    """The joint's counterpart, and -1 where its positive sense is the other way."""
    limb, *side, number, _ = joint.split("_")
    partner = "_".join([limb, *(SWAP[s] for s in side), number, "joint"])
    return partner, 1 if f"{limb}_{number}" in PITCH else -1


@pytest.fixture(scope="module")
def robot() -> Talos:
    return Talos(TalosOptions())


@pytest.fixture(scope="module")
def model(robot) -> mujoco.MjModel:
    return robot.build().compile()


@pytest.fixture(scope="module")
def held(robot):
    return robot_scene(robot, "pd")


def test_contract(robot):
    check_card(CARD)
    check_light("nil_robot_talos")
    check_robot(robot)


def test_is_its_source(robot):
    check_source(robot, urdf_source(SOURCE / "talos_full_v2.urdf"))


def test_hips_are_not_mistaken_for_grippers(model):
    """Both have a mesh file of the name base_link.STL."""
    geoms = [i for i in range(model.ngeom) if model.geom_group[i] == 2]
    root = model.body("base_link").id
    sizes = {model.geom_bodyid[i] == root: model.geom_rbound[i] for i in geoms if "base_link" in mesh_of(model, i)}
    assert sizes[True] > 0.2 > sizes[False]


def mesh_of(model: mujoco.MjModel, geom: int) -> str:
    mesh = model.geom_dataid[geom]
    return "" if mesh < 0 else model.mesh(mesh).name


def test_soles_are_as_large_as_the_feet(model):
    for side in ("left", "right"):
        sole = model.geom(f"{side}_foot")
        assert model.geom_type[sole.id] == mujoco.mjtGeom.mjGEOM_BOX
        assert sole.size.tolist() == humanoid.SOLE_SIZE


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
    model = Talos(TalosOptions(self_collision=True)).build().compile()
    assert (model.geom_contype[model.geom_group == 3] == 1).all()
    data = mujoco.MjData(model)
    data.qpos[:] = held.standing_qpos
    mujoco.mj_forward(model, data)
    assert data.ncon == 0


def test_missing_and_damaged_files_are_told(robot, tmp_path: Path):
    check_missing_package(robot, humanoid.INSTALL)
    check_damaged_files(robot, humanoid, SOURCE.parent, "robots/talos_full_v2.urdf", "meshes/head/head_2.stl", tmp_path)
