"""The A1: the contract of robots, and what its URDF lacks."""

from __future__ import annotations

from pathlib import Path

import mujoco
import pytest

from nil_core.testing.robot_contract import CHECKS, RobotBench
from nil_robot_a1 import CARD

BENCH = RobotBench(CARD, sideways="hip", mesh="../meshes/calf.dae", sides={"FR": "FL", "RR": "RL"})


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check, tmp_path: Path):
    check(BENCH, tmp_path)


def test_joints_are_damped_as_in_menagerie():
    for joint in BENCH.joints:
        assert BENCH.model.joint(joint).damping[0] == (1.0 if "hip" in joint else 2.0)


def test_feet_are_hard_spheres_and_markers_are_gone():
    model = BENCH.model
    for name in BENCH.robot.spec.feet:
        foot = model.geom(name)
        assert model.geom_type[foot.id] == mujoco.mjtGeom.mjGEOM_SPHERE
        assert foot.size[0] == pytest.approx(0.02)
        assert foot.friction[0] == 0.8
        assert foot.solimp.tolist() == [0.9, 0.95, 0.001, 0.5, 2.0]
    assert (model.geom_size[model.geom_group == 3][:, 0] > 0.005).all()
