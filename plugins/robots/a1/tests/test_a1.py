"""The A1: what its spec promises is what its model has, and it stands."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest

from nil_core.api import DataError
from nil_robot_a1 import A1Options, quadruped
from nil_robot_a1.quadruped import A1, SPEC


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return A1(A1Options()).build().compile()


def test_one_free_joint_on_the_root(model):
    assert model.nq == 19 and model.nv == 18
    assert model.body(model.jnt_bodyid[0]).name == SPEC.root
    assert model.joint("root").type == mujoco.mjtJoint.mjJNT_FREE


def test_mass_is_that_of_the_urdf(model):
    assert model.body_mass.sum() == pytest.approx(13.741, abs=1e-9)


def test_actuated_joints_have_the_limits_of_the_spec(model):
    hinges = [model.joint(i).name for i in range(model.njnt) if model.jnt_type[i] == mujoco.mjtJoint.mjJNT_HINGE]
    assert hinges == [actuator.joint for actuator in SPEC.actuators]
    for actuator in SPEC.actuators:
        joint = model.joint(actuator.joint)
        assert model.jnt_actfrcrange[joint.id].tolist() == [-actuator.torque_limit, actuator.torque_limit]
        low, high = joint.range
        assert low < SPEC.standing_pose[actuator.joint] < high
        assert joint.damping[0] == (1.0 if "hip" in actuator.joint else 2.0)


def test_only_visuals_and_colliders_that_meet_the_floor_alone(model):
    assert set(model.geom_group.tolist()) == {2, 3}
    colliders = model.geom_group == 3
    assert (model.geom_contype == 0).all()
    assert (model.geom_conaffinity == colliders).all()
    assert (model.geom_size[colliders][:, 0] > 0.005).all()  # no markers


def test_feet_are_hard_spheres(model):
    for name in SPEC.feet:
        foot = model.geom(name)
        assert model.geom_type[foot.id] == mujoco.mjtGeom.mjGEOM_SPHERE
        assert foot.size[0] == pytest.approx(0.02)
        assert foot.friction[0] == 0.8
        assert foot.solimp.tolist() == [0.9, 0.95, 0.001, 0.5, 2.0]


def test_self_collision_touches_nothing_while_standing():
    spec = A1(A1Options(self_collision=True)).build()
    model = spec.compile()
    assert (model.geom_contype[model.geom_group == 3] == 1).all()
    data = mujoco.MjData(model)
    stand(model, data)
    mujoco.mj_forward(model, data)
    assert data.ncon == 0


def test_stands_under_its_own_weight():
    spec = A1(A1Options()).build()
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 0.05])
    for actuator in SPEC.actuators:
        servo = spec.add_actuator(trntype=mujoco.mjtTrn.mjTRN_JOINT, target=actuator.joint)
        servo.set_to_position(kp=actuator.kp, kv=actuator.kd)
    model = spec.compile()
    data = mujoco.MjData(model)
    stand(model, data)
    data.ctrl[:] = data.qpos[7:]
    lowest = SPEC.standing_height
    for _ in range(round(3 / model.opt.timestep)):
        mujoco.mj_step(model, data)
        lowest = min(lowest, data.qpos[2])
    assert lowest > SPEC.standing_height - 0.03
    assert data.body(SPEC.torso).xmat[8] > np.cos(0.05)
    assert np.abs(data.qvel).max() < 0.05
    touching = {name for contact in data.contact for name in (model.geom(contact.geom[1]).name,)}
    assert touching == set(SPEC.feet)


def test_no_part_is_nearly_black(model):
    assert model.geom_rgba[model.geom_group == 2, :3].min() > 0.3


def test_every_build_is_a_new_one():
    robot = A1(A1Options())
    first, second = robot.build(), robot.build()
    first.delete(first.body("FR_thigh"))
    assert second.compile().nq == 19


def test_without_the_wheel_says_how_to_install_it(monkeypatch):
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(DataError, match="example-robot-data") as caught:
        A1(A1Options()).build()
    assert "pip install" in caught.value.hint


@pytest.mark.parametrize("damage", ["no folder", "no mesh", "broken mesh", "broken urdf"])
def test_a_damaged_wheel_is_a_data_error(monkeypatch, tmp_path: Path, damage: str):
    source = quadruped.packaged_folder(quadruped.PACKAGE, quadruped.FOLDER, "").parent
    folder = tmp_path / "example-robot-data" / "robots" / "a1_description"
    if damage != "no folder":
        shutil.copytree(source, folder)
    if damage == "no mesh":
        (folder / "meshes" / "calf.dae").unlink()
    if damage == "broken mesh":
        (folder / "meshes" / "calf.dae").write_text("<COLLADA")
    if damage == "broken urdf":
        (folder / "urdf" / "a1.urdf").write_text("<robot name='a1'/>")
    monkeypatch.setattr(quadruped, "packaged_folder", lambda *_: folder / "urdf")
    with pytest.raises(DataError) as caught:
        A1(A1Options()).build()
    assert "pip install" in caught.value.hint and "\n" not in caught.value.message


def test_the_card_imports_nothing_heavy():
    code = "import sys, nil_robot_a1; print([m for m in ('mujoco', 'trimesh', 'collada') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def stand(model: mujoco.MjModel, data: mujoco.MjData) -> None:
    for name, angle in SPEC.standing_pose.items():
        data.joint(name).qpos[0] = angle
    data.qpos[2] = SPEC.standing_height
