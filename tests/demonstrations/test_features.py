"""Features of states against an independent transcription, and what they do not depend on."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nil_core.demonstrations.features import StateFeatures
from nil_core.demonstrations.trajectories import Demonstrations
from nil_core.sim.scene import RobotScene


def states(scene: RobotScene, count: int = 5) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    qpos = np.tile(scene.standing_qpos, (count, 1)) + random.uniform(-0.3, 0.3, (count, scene.model.nq))
    qpos[:, 3:7] /= np.linalg.norm(qpos[:, 3:7], axis=1, keepdims=True)
    return qpos, random.normal(size=(count, scene.model.nv))


def test_features_are_those_of_the_equations(scene: RobotScene) -> None:
    features = StateFeatures(scene.spec, scene.model)
    qpos, qvel = states(scene)
    rows = features(qpos, qvel)
    assert rows.dtype == np.float32 and rows.shape == (5, features.size) == (5, 1 + 6 + 12 + 12 + 12 + 6)
    assert features.bodies == ("FR_calf", "FL_calf", "RR_calf", "RL_calf")
    data = mujoco.MjData(scene.model)
    for row, position, velocity in zip(rows, qpos, qvel, strict=True):
        data.qpos[:], data.qvel[:] = position, velocity
        mujoco.mj_forward(scene.model, data)
        rotation = Rotation.from_quat(position[3:7], scalar_first=True)
        heading = Rotation.from_euler("z", rotation.as_euler("ZYX")[0])
        spin = rotation.apply(velocity[3:6])
        expected = {
            "height": position[2:3],
            "rotation": np.concatenate([(heading.inv() * rotation).apply(axis) for axis in np.eye(3)[[0, 2]]]),
            "joints": position[7:],
            "joint_speeds": velocity[6:],
            "bodies": heading.inv().apply([data.body(name).xipos - position[:3] for name in features.bodies]).ravel(),
            "velocity": heading.inv().apply(velocity[:3]),
            "angular_velocity": heading.inv().apply(spin),
        }
        for name, where in features.layout.items():
            assert np.allclose(row[where], expected[name], atol=1e-5), name


def test_features_do_not_depend_on_place_and_heading(scene: RobotScene) -> None:
    features = StateFeatures(scene.spec, scene.model)
    qpos, qvel = states(scene)
    turn = Rotation.from_euler("z", 2.0)
    moved, turned = qpos.copy(), qvel.copy()
    moved[:, :2] += 3
    moved[:, 3:7] = (turn * Rotation.from_quat(qpos[:, 3:7], scalar_first=True)).as_quat(scalar_first=True)
    turned[:, :3] = turn.apply(qvel[:, :3])
    assert np.allclose(features(moved, turned), features(qpos, qvel), atol=1e-5)


def test_pairs_never_cross_the_end_of_a_trajectory(scene: RobotScene, trotting: Demonstrations) -> None:
    features = StateFeatures(scene.spec, scene.model)
    before, after = features.pairs(trotting, 25)
    assert len(before) == len(after) == 97 + 45
    rows = features(trotting.qpos, trotting.qvel)
    assert np.array_equal(before[97], rows[101]) and np.array_equal(after[96], rows[100])
    assert after[:, features.layout["velocity"]][:, 0].mean() == pytest.approx(0.5, abs=0.01)
