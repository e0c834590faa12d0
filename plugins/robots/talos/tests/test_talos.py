"""The Talos: the contract of robots, and that its hips and soles are right."""

from __future__ import annotations

from pathlib import Path

import mujoco
import pytest

from nil_core.testing.robot_contract import CHECKS, RobotBench
from nil_robot_talos import CARD
from nil_robot_talos.humanoid import SOLE_SIZE

SIDEWAYS = r"torso_1|leg_\w+_[12]_|arm_\w+_[12356]_"  # all but the joints that turn about the lateral axis
BENCH = RobotBench(CARD, sideways=SIDEWAYS, mesh="../meshes/head/head_2.stl", sides={"left": "right"})


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check, tmp_path: Path):
    check(BENCH, tmp_path)


def test_hips_are_not_mistaken_for_grippers():
    """Both have a mesh file of the name base_link.STL."""
    model = BENCH.model
    geoms = [i for i in range(model.ngeom) if model.geom_group[i] == 2]
    root = model.body("base_link").id
    sizes = {model.geom_bodyid[i] == root: model.geom_rbound[i] for i in geoms if "base_link" in mesh_of(model, i)}
    assert sizes[True] > 0.2 > sizes[False]


def mesh_of(model: mujoco.MjModel, geom: int) -> str:
    mesh = model.geom_dataid[geom]
    return "" if mesh < 0 else model.mesh(mesh).name


def test_soles_are_as_large_as_the_feet():
    for name in BENCH.robot.spec.feet:
        sole = BENCH.model.geom(name)
        assert BENCH.model.geom_type[sole.id] == mujoco.mjtGeom.mjGEOM_BOX
        assert sole.size.tolist() == SOLE_SIZE
