"""The scene: standing pose, actuators, and errors that name the cause."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nil_core import registry
from nil_core.errors import DataError
from nil_core.sim import gl
from nil_core.testing import ToyQuadruped
from nil_core.types import Scene

gl.choose_backend()

import mujoco  # noqa: E402

from nil_core.sim.scene import FLOOR, RobotScene, compose  # noqa: E402

SIZE, TIMESTEP = 64, 0.004


class Altered(ToyQuadruped):
    """The toy with another spec, and the same model."""

    def __init__(self, **changes: Any) -> None:
        super().__init__()
        self.spec = replace(self.spec, **changes)


def stage(robot: Any, control: str = "pd") -> RobotScene:
    return compose(robot, control, TIMESTEP, SIZE, simplify=False)


@pytest.fixture(scope="module")
def toy() -> RobotScene:
    return stage(ToyQuadruped())


@pytest.fixture(scope="module")
def a1() -> RobotScene:
    return stage(registry.build("robot", "a1", {}))


def joint_angles(scene: RobotScene, qpos: np.ndarray) -> np.ndarray:
    return qpos[[scene.model.joint(a.joint).qposadr[0] for a in scene.spec.actuators]]


@pytest.mark.parametrize("name", ["toy", "a1"])
def test_the_robot_stands_in_its_standing_pose_and_keeps_it(name: str, request: pytest.FixtureRequest) -> None:
    scene: RobotScene = request.getfixturevalue(name)
    pose = [scene.spec.standing_pose[a.joint] for a in scene.spec.actuators]
    assert np.abs(joint_angles(scene, scene.standing_qpos) - pose).max() < 0.02
    assert np.array_equal(scene.standing_qpos[:2], [0, 0])
    assert scene.standing_qpos[2] == pytest.approx(scene.spec.standing_height, abs=0.03)
    data = mujoco.MjData(scene.model)
    data.qpos[:], data.ctrl[:] = scene.standing_qpos, scene.standing_ctrl
    mujoco.mj_step(scene.model, data, round(2.0 / TIMESTEP))
    assert np.abs(joint_angles(scene, data.qpos) - pose).max() < 0.03
    assert np.abs(data.qpos[:3] - scene.standing_qpos[:3]).max() < 0.02


def test_actuator_i_drives_the_ith_joint_within_its_limit(toy: RobotScene) -> None:
    for scene in (toy, stage(ToyQuadruped(), "torque")):
        assert scene.model.nu == len(scene.spec.actuators)
        for i, wanted in enumerate(scene.spec.actuators):
            assert scene.model.actuator_trnid[i, 0] == scene.model.joint(wanted.joint).id
            assert scene.model.actuator_forcerange[i].tolist() == [-wanted.torque_limit, wanted.torque_limit]


def test_pd_is_a_spring_and_a_damper_about_the_target(toy: RobotScene) -> None:
    data = mujoco.MjData(toy.model)
    data.qpos[:] = toy.standing_qpos
    joint = toy.model.joint(toy.spec.actuators[2].joint)
    data.qvel[joint.dofadr[0]] = 0.5
    data.ctrl[2] = data.qpos[joint.qposadr[0]] + 0.1
    mujoco.mj_forward(toy.model, data)
    gains = toy.spec.actuators[2]
    assert data.actuator_force[2] == pytest.approx(gains.kp * 0.1 - gains.kd * 0.5)
    assert toy.action_scale.tolist() == [a.action_range for a in toy.spec.actuators]


def test_torque_control_gives_the_torque(toy: RobotScene) -> None:
    scene = stage(ToyQuadruped(), "torque")
    assert np.array_equal(scene.standing_ctrl, np.zeros(12))
    assert scene.action_scale.tolist() == [a.torque_limit for a in scene.spec.actuators]
    assert np.array_equal(scene.standing_qpos, toy.standing_qpos)
    data = mujoco.MjData(scene.model)
    data.ctrl[:] = np.linspace(-2, 2, 12) * scene.action_scale
    mujoco.mj_forward(scene.model, data)
    assert np.allclose(data.actuator_force, np.clip(np.linspace(-2, 2, 12), -1, 1) * scene.action_scale)


def test_the_surroundings_are_the_cores(toy: RobotScene) -> None:
    model = toy.model
    planes = np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE)
    assert [model.geom(g).name for g in planes] == [FLOOR]
    assert np.flatnonzero(model.geom_group == 1).tolist() == planes.tolist()
    assert model.nlight == 1 and model.opt.timestep == TIMESTEP
    assert model.vis.global_.offwidth == model.vis.global_.offheight == SIZE


def test_lights_and_actuators_of_the_model_are_replaced() -> None:
    class Lit(ToyQuadruped):
        def build(self) -> Any:
            draft = super().build()
            draft.worldbody.add_light(name="disco", pos=[0, 0, 1])
            draft.add_actuator(name="old", trntype=mujoco.mjtTrn.mjTRN_JOINT, target="FR_hip")
            return draft

    scene = stage(Lit())
    assert scene.model.nlight == 1 and scene.model.nu == 12


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"feet": ("FR_foot", "FR_hoof")}, "no geom named FR_hoof"),
        ({"torso": "chest"}, "no body named chest"),
        ({"standing_pose": {"FR_knee": 0.1}}, "no joint named FR_knee"),
    ],
)
def test_a_spec_that_names_what_is_not_there_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint) as caught:
        stage(Altered(**changes))
    assert "FR_" in caught.value.hint or "trunk" in caught.value.hint


def test_a_robot_that_cannot_stand_is_refused() -> None:
    weak = tuple(replace(a, kp=0.5) for a in ToyQuadruped().spec.actuators)
    with pytest.raises(DataError, match="does not hold its standing pose") as caught:
        stage(Altered(actuators=weak))
    assert "PD gains" in caught.value.hint


def test_a_scene_draws_poses_and_follows_the_robot(toy: RobotScene) -> None:
    assert isinstance(toy, Scene)
    crouched, away = toy.standing_qpos.copy(), toy.standing_qpos.copy()
    crouched[2] -= 0.1
    away[:2] = 3.0, -2.0
    told: list[tuple[int, int, str]] = []
    frames, masks = toy.render(np.stack([toy.standing_qpos, crouched, away]), lambda *now: told.append(now))
    assert (frames.shape, frames.dtype) == ((3, SIZE, SIZE, 3), np.uint8)
    assert (masks.shape, masks.dtype) == ((3, SIZE, SIZE), np.bool_)
    assert told == [(i, 3, "frames drawn") for i in (1, 2, 3)]
    assert 0.02 < masks[0].mean() < 0.5
    assert not frames[~masks].any() and (frames[masks].max(axis=1) > 0).all()
    assert np.nonzero(masks[1])[0].mean() > np.nonzero(masks[0])[0].mean() + 2  # rows go down
    assert (masks[0] ^ masks[2]).mean() < 0.003
