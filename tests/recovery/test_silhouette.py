"""Comparison of a pose with a frame, and its derivative, against finite differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nil_core.reference.recovery.pose_space import PoseSpace
from nil_core.reference.recovery.silhouette import FrameComparison, Look
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles

LOOKS = {"masks": Look((2.0, 5.0)), "shading": Look((2.0, 5.0), shading=2.0)}


@pytest.fixture(scope="module")
def comparison(toy: RobotScene, space: PoseSpace, stepping: Doubles) -> FrameComparison:
    scene = replace(toy, render_size=128)
    return FrameComparison(scene, *scene.render(space.qpos(stepping)))


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_the_true_pose_fits_best(comparison: FrameComparison, stepping: Doubles, look: Look) -> None:
    cost, overlap = comparison.compare(5, stepping[5], look)
    assert cost < 1e-6
    assert overlap == 1.0
    random = np.random.default_rng(0)
    for _ in range(10):
        other = stepping[5] + np.concatenate([np.zeros(6), random.normal(0, 0.05, 12)])
        assert comparison.compare(5, other, look)[0] > 100 * max(cost, 1e-6)


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_gradient_agrees_with_finite_differences(comparison: FrameComparison, stepping: Doubles, look: Look) -> None:
    """The picture has pixels, so that its derivative is only right on the average of some poses."""
    random = np.random.default_rng(1)
    match = []
    for t in (3, 6, 8, 10, 13, 15):
        pose = stepping[t] + np.concatenate([np.zeros(2), random.normal(0, 0.1, 16) * ([0.2] * 4 + [1] * 12)])
        gradient = 2 * comparison.linearize(t, pose, look).gradient
        numeric = np.zeros_like(gradient)
        for i in range(2, len(pose)):
            step = np.zeros(len(pose))
            step[i] = 0.03 if i > 2 else 0.01
            ahead, behind = (comparison.compare(t, pose + sign * step, look)[0] for sign in (1, -1))
            numeric[i] = (ahead - behind) / (2 * step[i])
        match.append(gradient @ numeric / (np.linalg.norm(gradient) * np.linalg.norm(numeric)))
    assert np.mean(match) > 0.9, match
    assert min(match) > 0.5, match


def test_where_the_robot_stands_in_the_plane_is_not_seen(comparison: FrameComparison, stepping: Doubles) -> None:
    moved = stepping[5].copy()
    moved[:2] += [3.0, -2.0]
    assert comparison.compare(5, moved, LOOKS["masks"])[1] > 0.99
    assert not comparison.linearize(5, moved, LOOKS["masks"]).gradient[:2].any()


def test_costs_are_alike_at_all_sizes(toy: RobotScene, space: PoseSpace, stepping: Doubles) -> None:
    from nil_core.reference.recovery.workers import Levels

    frames, masks = toy.render(space.qpos(stepping[:6]))
    levels = Levels(toy, frames, masks)
    other = stepping[5] + np.concatenate([np.zeros(6), np.full(12, 0.15)])
    large, small = Look((2.0, 5.0)), Look((2.0, 5.0), shrink=2)
    costs = [levels.at(look).compare(5, other, look)[0] for look in (large, small)]
    assert 0.4 < costs[1] / costs[0] < 2.5  # pixels are coarse at 48
    levels.close()
