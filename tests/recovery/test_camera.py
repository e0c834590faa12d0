"""Recovery with a camera that pans, shakes or zooms: estimation of its view, and warping to the first view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nil_core.config import RunConfig
from nil_core.reference.recovery.contacts import LOWEST_SOLE_STD, Contacts
from nil_core.reference.recovery.pose_space import VIEW, PoseSpace
from nil_core.reference.recovery.priors import Priors
from nil_core.reference.recovery.quality import truth_errors
from nil_core.reference.recovery.recover import recover
from nil_core.reference.recovery.silhouette import FrameComparison, Look, overlap_of, warp_to_first_view
from nil_core.reference.steady_camera import steady_boxes, within
from nil_core.sim.scene import RobotScene
from nil_core.testing.spoiler import spoil
from nil_core.types import Doubles, Motion, Video
from nil_core.video.crop import to_square
from nil_core.video.masks import iou

HZ = 25.0
LOOK = Look((2.0, 5.0))


@pytest.fixture(scope="module")
def viewed(toy: RobotScene) -> PoseSpace:
    return PoseSpace(toy, camera=True)


@pytest.fixture(scope="module")
def video(toy: RobotScene, space: PoseSpace, stepping: Doubles) -> Video:
    frames, masks = toy.render(space.qpos(stepping))
    return Video(frames, HZ, masks=masks, trajectory=space.qpos(stepping))


def test_view_follows_the_joints(space: PoseSpace, viewed: PoseSpace, stepping: Doubles) -> None:
    assert viewed.size == space.size + VIEW
    pose = np.concatenate([stepping[5], [0.1, -0.2, 0.3]])
    assert viewed.qpos(pose) == pytest.approx(space.qpos(stepping[5]))
    assert viewed.soles(pose[None]) == pytest.approx(space.soles(stepping[5][None]))
    assert not viewed.soles_and_rates(pose[None])[1][..., viewed.view].any()
    priors = Priors.of(viewed, HZ, np.ones(len(stepping) - 1))
    assert len(priors.change) == len(priors.stand) == viewed.size


@pytest.mark.parametrize(("kind", "view"), [("camera_zoom", 2), ("camera_drift", 0)])
def test_masks_are_warped_to_the_first_view(video: Video, kind: str, view: int) -> None:
    assert video.masks is not None
    spoiled = spoil(video, {kind: 0.5}).masks
    assert spoiled is not None
    size = spoiled.shape[-1]
    # The last frame of the spoiler's ramp, searched for among pans or zooms.
    zooms = np.log([0.875, 1.125]) if kind == "camera_zoom" else [0.0]
    pans = np.linspace(-0.07, 0.07, 29) if kind == "camera_drift" else [0.0]
    best = max(
        overlap_of(warp_to_first_view(spoiled[-1], np.array([right, down, zoom])), video.masks[-1])
        for right in pans
        for down in pans
        for zoom in zooms
    )
    assert best > 0.9
    assert overlap_of(warp_to_first_view(spoiled[-1], np.zeros(3)), spoiled[-1]) == 1.0
    assert not warp_to_first_view(np.ones((size, size), np.bool_), np.eye(3)[0])[:, 1:].any()  # out of the picture


def test_derivative_by_the_view_agrees_with_finite_differences(
    toy: RobotScene, video: Video, viewed: PoseSpace, stepping: Doubles
) -> None:
    assert video.masks is not None
    comparison = FrameComparison(replace(toy, render_size=96), video.frames, video.masks, camera=True)
    view = np.array([0.01, -0.02, 0.03])
    agreed = []
    for t in (3, 6, 8, 10, 13):
        pose = np.concatenate([stepping[t], view])
        gradient = 2 * comparison.linearize(t, pose, LOOK).gradient[viewed.view]
        numeric = np.zeros(VIEW)
        for i in range(VIEW):
            step = 1e-3 * np.eye(viewed.size)[viewed.size - VIEW + i]
            ahead, behind = (comparison.compare(t, pose + sign * step, LOOK)[0] for sign in (1, -1))
            numeric[i] = (ahead - behind) / 2e-3
        agreed.append(gradient @ numeric / (np.linalg.norm(gradient) * np.linalg.norm(numeric)))
    assert min(agreed) > 0.9, agreed
    still = np.concatenate([stepping[5], np.zeros(VIEW)])
    assert comparison.compare(5, still, LOOK)[0] < 1e-6
    assert comparison.view(5, still, LOOK) == pytest.approx(np.zeros(VIEW), abs=1e-6)
    comparison.close()


def test_a_robot_that_floats_costs_where_the_camera_is_unknown() -> None:
    high = np.full((1, 1, 3), 0.5)
    weights = np.zeros((0, 1))
    known, unknown = (Contacts(0.01, 0.02, **more) for more in ({}, {"flight": np.inf}))
    assert known.misfit(high, weights) == pytest.approx((known.flight / LOWEST_SOLE_STD) ** 2)
    assert unknown.misfit(high, weights) == pytest.approx((0.5 / LOWEST_SOLE_STD) ** 2)


def test_motion_comes_back_from_a_camera_that_drifts(toy: RobotScene, space: PoseSpace, video: Video) -> None:
    spoiled = spoil(video, {"camera_drift": 0.5})
    assert spoiled.masks is not None and video.trajectory is not None
    found = recover(toy, spoiled.frames, spoiled.masks, HZ, workers=0)
    assert truth_errors(found.qpos, video.trajectory, space, HZ)["leg_error_rad"] < 0.08
    camera = found.report["camera"]
    assert np.hypot(camera["right"][-1], camera["down"][-1]) == pytest.approx(0.5 / 8, abs=0.01)
    assert camera["zoom"][-1] == pytest.approx(1.0, abs=0.02)
    assert found.report["reasons"] == []
    boxes = steady_boxes(Motion(found.qpos, "video", report=found.report), RunConfig(environment={"tick_hz": HZ}))
    assert boxes is not None and video.masks is not None
    size = video.masks.shape[-1]
    _, masks = to_square(spoiled.frames, spoiled.masks, size, within((0, 0, size), boxes))
    assert iou(masks, video.masks).mean() > 0.9, "thin legs, and halves of pixels"
    assert iou(spoiled.masks, video.masks).mean() < 0.7


def test_every_tick_has_a_camera_though_few_were_fitted(toy: RobotScene, video: Video) -> None:
    spoiled = spoil(video, {"camera_drift": 0.5})
    assert spoiled.masks is not None
    frames, masks = (np.repeat(part, 2, axis=0) for part in (spoiled.frames, spoiled.masks))
    found = recover(toy, frames, masks, 2 * HZ, workers=0)
    assert found.report["frames_fitted"] == len(video.frames)
    boxes = steady_boxes(Motion(found.qpos, "video", report=found.report), RunConfig())
    assert boxes is not None and len(boxes) == len(frames)
    assert boxes[0] == pytest.approx((0, 0, 1))
    assert boxes[-1] == boxes[-2], "nothing is known after the last one: it stays"
    left, before, after = (boxes[i][0] for i in (9, 8, 10))
    assert left == pytest.approx((before + after) / 2, abs=0.002)
