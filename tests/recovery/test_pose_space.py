"""Pose vectors: positions, derivatives, mirror images, soles."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from nil_core.reference.recovery.pose_space import ROOT, PoseSpace
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles


def some_pose(space: PoseSpace, seed: int) -> Doubles:
    random = np.random.default_rng(seed)
    root = np.concatenate([random.uniform(-1, 1, 2), random.uniform(-0.1, 0.1, 1), random.uniform(-0.6, 0.6, 3)])
    joints = random.uniform(-0.3, 0.3, space.size - ROOT)
    return space.clip(space.stand + np.concatenate([root, joints]))


def test_stand_is_the_standing_pose(toy: RobotScene, space: PoseSpace) -> None:
    qpos = space.qpos(space.stand)
    assert qpos[space.addresses] == pytest.approx(toy.standing_qpos[space.addresses])
    assert qpos[:3] == pytest.approx(toy.standing_qpos[:3])
    assert qpos[3:7] == pytest.approx(toy.standing_qpos[3:7])


@pytest.mark.parametrize("seed", range(5))
def test_points_move_as_their_rates_say(space: PoseSpace, seed: int) -> None:
    pose = some_pose(space, seed)
    data = space.place(pose)
    bodies = np.arange(1, space.model.nbody)
    local = np.tile([0.03, -0.02, 0.01], (len(bodies), 1))

    def experiment(at: Doubles) -> Doubles:
        placed = space.place(at)
        return np.stack([placed.xpos[b] + placed.xmat[b].reshape(3, 3) @ p for b, p in zip(bodies, local, strict=True)])

    points = experiment(pose)
    directions = np.random.default_rng(seed).normal(size=points.shape)
    data = space.place(pose)
    assert data is space.data
    rates = space.rates(pose, points, directions, bodies)
    step = 1e-6
    for i, axis in enumerate(np.eye(space.size)):
        moved = (experiment(pose + step * axis) - experiment(pose - step * axis)) / (2 * step)
        assert rates[:, i] == pytest.approx((moved * directions).sum(axis=1), abs=1e-5), i


def test_mirror_images_mirror(space: PoseSpace) -> None:
    """Mirrored joint angles put every foot where the foot of the other side was, mirrored."""
    pose = space.stand.copy()
    pose[ROOT:] += np.random.default_rng(0).uniform(-0.2, 0.2, space.size - ROOT)
    other = space.stand.copy()
    other[ROOT:] = pose[ROOT:][space.mirror] * space.mirror_sign
    one, two = space.soles(pose[None])[0], space.soles(other[None])[0]
    flipped = one * [1, -1, 1]
    for sole in two:
        assert np.linalg.norm(flipped - sole, axis=1).min() < 1e-6
    assert sorted(space.mirror) == list(range(space.size - ROOT))
    assert (space.mirror[space.mirror] == np.arange(space.size - ROOT)).all()


def test_soles_of_a_standing_robot_are_on_the_floor(space: PoseSpace) -> None:
    assert abs(space.soles(space.stand[None])[..., 2]).max() < 0.005


def test_every_leg_is_found(space: PoseSpace) -> None:
    assert [len(leg) for leg in space.legs] == [3, 3, 3, 3]
    assert len(set(np.concatenate(space.legs).tolist())) == 12
    assert space.leg_joints.all()


@pytest.mark.parametrize("kind", ["sphere", "capsule", "box", "cylinder", "ellipsoid"])
def test_lowest_points_of_feet_of_every_shape(kind: str) -> None:
    from nil_core.reference.recovery.pose_space import _lower_points

    model = mujoco.MjModel.from_xml_string(
        f"<mujoco><worldbody><geom type='plane' size='1 1 1' pos='0 0 -5'/><body><geom name='foot' type='{kind}' "
        "size='.1 .2 .05' euler='20 30 40'/></body></worldbody></mujoco>"
    )
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    segment = np.zeros(6)
    lowest = mujoco.mj_geomDistance(model, data, model.geom("foot").id, 0, 100.0, segment) - 5
    points = _lower_points(model, data, model.geom("foot").id)
    assert points[:, 2].min() == pytest.approx(lowest, abs=0.01 if kind == "cylinder" else 1e-3)
