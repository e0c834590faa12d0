"""The check that says whether a robot's actions can express a motion: closed forms, and what it complains of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nil_core.sim.scene import RobotScene
from nil_core.testing import ToyQuadruped, check_can_express, motion_demand, robot_scene
from nil_core.types import Doubles

HZ = 25.0


@pytest.fixture(scope="module")
def scene() -> RobotScene:
    return robot_scene(ToyQuadruped())


def swaying(scene: RobotScene, joint: str, size: float, frequency: float, height: float = 0.0) -> Doubles:
    """(50, nq): one joint sways about the stand, ``height`` m above the floor."""
    times = np.arange(50) / HZ
    motion = np.tile(scene.standing_qpos, (len(times), 1))
    motion[:, 2] += height
    motion[:, scene.model.joint(joint).qposadr[0]] += size * np.sin(2 * np.pi * frequency * times)
    return motion


def weakened(scene: RobotScene, joint: str, **changes: float) -> RobotScene:
    actuators = tuple(replace(a, **changes) if a.joint == joint else a for a in scene.spec.actuators)
    return replace(scene, spec=replace(scene.spec, actuators=actuators))


def first_joint(scene: RobotScene) -> str:
    return scene.spec.actuators[0].joint


def test_a_stand_asks_for_no_action(scene: RobotScene) -> None:
    stand = np.tile(scene.standing_qpos, (10, 1))
    for about in ("motion", "stand"):
        demand = motion_demand(scene, stand, about=about)
        assert np.abs(demand.correction).max() < 0.02
        check_can_express(scene, stand, about=about, tolerance=0.0)


def test_about_the_stand_an_action_makes_the_whole_way(scene: RobotScene) -> None:
    """Far above the floor, slowly: the target is the joint's angle, but for what little torque it takes."""
    joint = first_joint(scene)
    motion = swaying(scene, joint, 0.2, 0.5, height=3.0)
    moved = motion[:, scene.model.joint(joint).qposadr[0]] - scene.standing_qpos[scene.model.joint(joint).qposadr[0]]
    about_stand = motion_demand(scene, motion, about="stand").correction[:, 0]
    about_motion = motion_demand(scene, motion, about="motion").correction[:, 0]
    assert np.corrcoef(about_stand, moved)[0, 1] > 0.98
    np.testing.assert_allclose((about_stand - about_motion)[:-1], (moved[:-1] + moved[1:]) / 2, atol=1e-9)


def test_a_leg_that_hangs_is_held_against_its_weight(scene: RobotScene) -> None:
    """Far above the floor no foot carries anything: a calf of 0.15 kg with a foot of 0.05 kg, by the law of levers."""
    hanging = np.tile(scene.standing_qpos, (5, 1))
    hanging[:, 2] += 3.0
    for leg in ("FR", "RL"):
        angle = sum(scene.standing_qpos[scene.model.joint(f"{leg}_{part}").qposadr[0]] for part in ("thigh", "calf"))
        number = [a.joint for a in scene.spec.actuators].index(f"{leg}_calf")
        held = motion_demand(scene, hanging).torque[:, number]
        np.testing.assert_allclose(np.abs(held), 9.81 * (0.15 * 0.1 + 0.05 * 0.2) * abs(np.sin(angle)), rtol=0.01)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"torque_limit": 1e-6}, "needs up to .* N m of torque_limit 1e-06"),
        ({"action_range": 1e-6}, "needs up to .* rad of action_range 1e-06, and more than that in .*% of the moments"),
    ],
)
def test_the_joint_that_falls_short_is_named(scene: RobotScene, changes: dict[str, float], says: str) -> None:
    joint = first_joint(scene)
    motion = swaying(scene, joint, 0.1, 1.0, height=3.0)
    with pytest.raises(AssertionError, match=f"{joint} {says}") as caught:
        check_can_express(weakened(scene, joint, **changes), motion, HZ)
    others = [actuator.joint for actuator in scene.spec.actuators[1:]]
    assert not any(other in str(caught.value) for other in others)


def test_a_share_of_moments_may_lack_something(scene: RobotScene) -> None:
    joint = first_joint(scene)
    check_can_express(
        weakened(scene, joint, torque_limit=1e-6), swaying(scene, joint, 0.1, 1.0, 3.0), HZ, tolerance=1.0
    )


def test_joints_beyond_their_range_are_told(scene: RobotScene) -> None:
    limited = next(a.joint for a in scene.spec.actuators if scene.model.joint(a.joint).limited[0])
    with pytest.raises(AssertionError, match=f"{limited} moves over .* rad, its range is"):
        check_can_express(scene, swaying(scene, limited, 4.0, 0.5, height=3.0), HZ, tolerance=1.0)


def test_the_model_is_left_as_it_was(scene: RobotScene) -> None:
    before = int(scene.model.opt.disableflags)
    motion_demand(scene, np.tile(scene.standing_qpos, (5, 1)))
    assert int(scene.model.opt.disableflags) == before
