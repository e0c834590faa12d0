"""The G1: the contract of robots, and that its joints are those of its source but for six."""

from __future__ import annotations

from pathlib import Path

import mujoco
import pytest

from nil_core.testing.robot_contract import CHECKS, RobotBench
from nil_robot_g1 import CARD

BENCH = RobotBench(CARD, sideways="yaw|roll", mesh="assets/torso_link_rev_1_0.STL", sides={"left": "right"})


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check, tmp_path: Path):
    check(BENCH, tmp_path)


def test_joints_are_those_of_the_source_but_for_six():
    path, _ = BENCH.robot.data.file.locate()
    source = mujoco.MjModel.from_xml_path(str(path))
    for joint in BENCH.joints:
        ours, theirs = BENCH.model.joint(joint), source.joint(joint)
        assert (ours.armature[0], ours.frictionloss[0]) == (theirs.armature[0], theirs.frictionloss[0])
    motors = [source.actuator(i).name for i in range(source.nu)]
    assert [motor for motor in motors if motor in BENCH.joints] == BENCH.joints
    assert len(motors) == 29 and len(BENCH.joints) == 23
