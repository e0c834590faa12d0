"""The H1: the contract of robots, and that its joints are as damped as in its source."""

from __future__ import annotations

from pathlib import Path

import mujoco
import pytest

from nil_core.testing.robot_contract import CHECKS, RobotBench
from nil_robot_h1 import CARD

BENCH = RobotBench(CARD, sideways="yaw|roll|torso", mesh="assets/torso_link.stl", sides={"left": "right"})


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check, tmp_path: Path):
    check(BENCH, tmp_path)


def test_joints_are_damped_as_in_the_source():
    path, _ = BENCH.robot.data.file.locate()
    source = mujoco.MjModel.from_xml_path(str(path))
    for joint in BENCH.joints:
        ours, theirs = BENCH.model.joint(joint), source.joint(joint)
        assert (ours.damping[0], ours.armature[0]) == (theirs.damping[0], theirs.armature[0])
    assert [source.actuator(i).name for i in range(source.nu)] == BENCH.joints
