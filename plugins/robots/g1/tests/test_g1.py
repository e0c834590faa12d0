"""The G1: what its spec promises is what its model has, and it stands, falls and moves as a body should."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
import types
from pathlib import Path

import mujoco
import numpy as np
import pytest

from nil_core.api import DataError
from nil_core.testing import (
    check_card,
    check_light,
    check_robot,
    mirror_actions,
    mirror_poses,
    robot_scene,
    roll_out,
    root_upright,
)
from nil_robot_g1 import CARD, G1Options, humanoid
from nil_robot_g1.humanoid import G1, SPEC

SOURCE = humanoid.packaged_folder(humanoid.PACKAGE, humanoid.FOLDER, humanoid.INSTALL)
SWAP = {"left": "right", "right": "left"}
SIDEWAYS = ("yaw", "roll")
DRIVEN = [actuator.joint for actuator in SPEC.actuators]


def mirror_image(joint: str) -> tuple[str, int]:
    """The joint's counterpart, and -1 where its positive sense is the other way."""
    side, _, rest = joint.partition("_")
    return f"{SWAP[side]}_{rest}" if side in SWAP else joint, -1 if any(axis in joint for axis in SIDEWAYS) else 1


MIRROR = {joint: mirror_image(joint) for joint in DRIVEN}


@pytest.fixture(scope="module")
def robot() -> G1:
    return G1(G1Options())


@pytest.fixture(scope="module")
def model(robot) -> mujoco.MjModel:
    return robot.build().compile()


@pytest.fixture(scope="module")
def held(robot):
    return robot_scene(robot, "pd")


@pytest.fixture(scope="module")
def torque_driven(robot):
    return robot_scene(robot, "torque")


@pytest.fixture(scope="module")
def source() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(SOURCE / "g1.xml"))


def test_contract(robot):
    check_card(CARD)
    check_light("nil_robot_g1")
    check_robot(robot)


def test_mass_is_the_sources(model, source):
    assert model.body_mass.sum() == pytest.approx(source.body_mass.sum(), abs=1e-6)


def test_joints_are_the_sources(model, source):
    for actuator in SPEC.actuators:
        ours, theirs = model.joint(actuator.joint), source.joint(actuator.joint)
        assert ours.range.tolist() == theirs.range.tolist()
        assert (ours.armature[0], ours.frictionloss[0]) == (theirs.armature[0], theirs.frictionloss[0])
        limit = actuator.torque_limit
        assert source.jnt_actfrcrange[theirs.id].tolist() == [-limit, limit]
    motors = [source.actuator(i).name for i in range(source.nu)]
    assert [motor for motor in motors if motor in DRIVEN] == DRIVEN
    assert len(motors) == 29 and len(DRIVEN) == 23


def test_only_the_driven_joints_move(model):
    hinges = [model.joint(i).name for i in range(model.njnt) if model.jnt_type[i] == mujoco.mjtJoint.mjJNT_HINGE]
    assert sorted(hinges) == sorted(DRIVEN)
    assert model.nv == 6 + len(DRIVEN)


def test_colliders_meet_the_floor_alone(model):
    colliders = model.geom_group == 3
    assert (model.geom_contype == 0).all()
    assert (model.geom_conaffinity == colliders).all()


def test_stands_for_five_seconds_on_its_feet(held):
    poses = roll_out(held, np.zeros((500, len(DRIVEN))))
    assert np.abs(poses[:, 2] - SPEC.standing_height).max() < 0.01
    assert min(root_upright(held, pose) for pose in poses) > np.cos(0.03)
    assert np.abs(poses[:, :2]).max() < 0.01
    data = mujoco.MjData(held.model)
    data.qpos[:] = poses[-1]
    mujoco.mj_forward(held.model, data)
    assert {held.model.geom(contact.geom[1]).name for contact in data.contact} <= set(SPEC.feet)


def test_settles_into_its_standing_pose(held):
    for joint, angle in SPEC.standing_pose.items():
        assert held.standing_qpos[held.model.joint(joint).qposadr[0]] == pytest.approx(angle, abs=0.01)


def test_falls_without_torque(torque_driven):
    poses = roll_out(torque_driven, np.zeros((300, len(DRIVEN))))
    assert poses[-1, 2] < SPEC.fall.min_height


@pytest.mark.parametrize("seed", range(3))
def test_mirrored_actions_give_mirrored_motion(held, seed: int):
    random = np.random.default_rng(seed)
    action = random.choice([-1, 1], len(DRIVEN)) * random.uniform(0.5, 1, len(DRIVEN))
    actions = np.tile(action, (30, 1))
    poses = roll_out(held, actions, height=1.0)
    image = roll_out(held, mirror_actions(held, actions, MIRROR), height=1.0)
    np.testing.assert_allclose(mirror_poses(held, poses, MIRROR), image, atol=0.01)
    for joint in DRIVEN:
        angles = poses[:, held.model.joint(joint).qposadr[0]]
        assert np.ptp(angles) > 0.05, f"{joint} is not tested, it does not move"


def test_standing_pose_is_symmetric():
    for joint, (partner, sign) in MIRROR.items():
        assert SPEC.standing_pose.get(partner, 0) == sign * SPEC.standing_pose.get(joint, 0)


def test_is_seen_whole_and_bright(held):
    frames, masks = held.render(held.standing_qpos[None])
    rows, columns = np.nonzero(masks[0])
    assert rows.min() > 8 and rows.max() < 224 - 8 and columns.min() > 20 and columns.max() < 224 - 20
    assert rows.max() - rows.min() > 0.75 * 224
    assert frames[0][masks[0]].mean() > 60


def test_no_part_is_nearly_black(model):
    assert model.mat_rgba[:, :3].max(axis=1).min() > 0.3


def test_self_collision_touches_nothing_while_standing(held):
    spec = G1(G1Options(self_collision=True)).build()
    model = spec.compile()
    assert (model.geom_contype[model.geom_group == 3] == 1).all()
    data = mujoco.MjData(model)
    data.qpos[:] = held.standing_qpos
    mujoco.mj_forward(model, data)
    assert data.ncon == 0


def test_without_the_wheel_says_how_to_install_it(monkeypatch, robot):
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(DataError, match=humanoid.PACKAGE) as caught:
        robot.build()
    assert caught.value.hint == humanoid.INSTALL


@pytest.mark.parametrize("damage", ["no folder", "no mesh", "broken xml"])
def test_a_damaged_wheel_is_a_data_error(monkeypatch, tmp_path: Path, robot, damage: str):
    folder = tmp_path / "unitree_g1"
    if damage != "no folder":
        shutil.copytree(SOURCE, folder)
    if damage == "no mesh":
        next((folder / "assets").glob("*torso*")).unlink()
    if damage == "broken xml":
        (folder / "g1.xml").write_text("<mujoco>")
    monkeypatch.setattr(humanoid, "packaged_folder", lambda *_: folder)
    with pytest.raises(DataError) as caught:
        robot.build()
    assert "pip install" in caught.value.hint and "\n" not in caught.value.message


class FakeMenagerie(types.ModuleType):
    """The package ``mujoco-menagerie``, as far as it is used; what it has "downloaded" is the installed model."""

    class MenagerieError(Exception):
        """As theirs."""

    def __init__(self, cached: bool) -> None:
        super().__init__("mujoco_menagerie")
        entry = object()
        self.get = {"unitree_g1": entry}.__getitem__
        self.Cache = lambda: types.SimpleNamespace(
            root=None, is_cached=lambda asked: cached and asked is entry, resolve=lambda asked: SOURCE
        )


def test_menagerie_uses_what_is_downloaded(monkeypatch, model):
    monkeypatch.setitem(sys.modules, "mujoco_menagerie", FakeMenagerie(cached=True))
    theirs = G1(G1Options(menagerie=True)).build().compile()
    assert theirs.nq == model.nq and theirs.body_mass.sum() == model.body_mass.sum()


@pytest.mark.parametrize("package", [None, FakeMenagerie(cached=False)], ids=["not installed", "not downloaded"])
def test_menagerie_downloads_nothing(monkeypatch, package):
    monkeypatch.setitem(sys.modules, "mujoco_menagerie", package)
    with pytest.raises(DataError) as caught:
        G1(G1Options(menagerie=True)).build()
    assert "mujoco-menagerie prefetch unitree_g1" in caught.value.hint
