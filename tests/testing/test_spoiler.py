"""Each kind of spoiling: nothing at 0, what it says and nothing else at 1, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nil_core.errors import DataError
from nil_core.sim import gl
from nil_core.testing.bodies_spoiled import REDRAWN
from nil_core.testing.quadruped import ToyQuadruped
from nil_core.testing.spoiler import KINDS, spoil
from nil_core.types import Video

gl.choose_backend()

from nil_core.sim.scene import RobotScene, compose  # noqa: E402

FRAMES = 24
KEEP_MASKS = ("texture", "light", "background", "flicker", "compression")


@pytest.fixture(scope="module")
def scene() -> RobotScene:
    return compose(ToyQuadruped(), "pd", 0.002, 64, simplify=False)


@pytest.fixture(scope="module")
def video(scene: RobotScene) -> Video:
    poses = np.tile(scene.standing_qpos, (FRAMES, 1))
    poses[:, 0] = np.linspace(0, 0.5, FRAMES)
    poses[:, 7:] += 0.3 * np.sin(np.arange(FRAMES)[:, None] / 3 + np.arange(poses.shape[1] - 7))
    frames, masks = scene.render(poses)
    return Video(frames, 25.0, masks=masks, trajectory=poses)


def same(a: Video, b: Video) -> bool:
    arrays = [(a.frames, b.frames), (a.masks, b.masks), (a.trajectory, b.trajectory)]
    return all(np.array_equal(x, y) for x, y in arrays)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_at_0_something_at_1_and_the_same_for_the_same_seed(kind: str, video: Video, scene: RobotScene):
    before = replace(video, frames=video.frames.copy(), masks=video.masks.copy(), trajectory=video.trajectory.copy())
    assert spoil(video, {kind: 0.0}, 3, scene) is video
    made = spoil(video, {kind: 1.0}, 3, scene)
    assert same(made, spoil(video, {kind: 1.0}, 3, scene))
    assert not np.array_equal(made.frames, video.frames)
    assert same(before, video)  # which was not written to
    assert made.fps == video.fps and made.masks.shape == made.frames.shape[:3]
    if kind in KEEP_MASKS:
        assert np.array_equal(made.masks, video.masks)
    if kind not in ("speed", "feet_slide"):
        assert np.array_equal(made.trajectory, video.trajectory)
    if kind not in ("speed", "repeats", "flicker", *KEEP_MASKS):
        assert not np.array_equal(made.masks, video.masks)


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in (*REDRAWN, "speed", "repeats", "compression")])
def test_the_stronger_the_more_it_changes(kind: str, video: Video):
    weak, strong = (np.abs(spoil(video, {kind: s}, 1).frames - 1.0 * video.frames).mean() for s in (0.2, 1.0))
    assert 0 < weak < strong


def test_texture_and_light_leave_the_background_and_background_leaves_the_robot(video: Video):
    for kind in ("texture", "light"):
        assert not spoil(video, {kind: 1.0}).frames[~video.masks].any()
    made = spoil(video, {"background": 1.0})
    assert np.array_equal(made.frames[video.masks], video.frames[video.masks])
    plain = spoil(video, {"background": 0.5}).frames[~video.masks]
    assert (plain == plain[0]).all() and plain[0].min() > 0


def test_speed_shows_later_moments_of_a_shorter_video(video: Video):
    made = spoil(video, {"speed": 1.0})
    assert np.array_equal(made.frames, video.frames[::4]) and np.array_equal(made.trajectory, video.trajectory[::4])


def test_repeated_frames_repeat_masks_while_the_motion_goes_on(video: Video):
    made = spoil(video, {"repeats": 1.0}, 5)
    repeated = (made.frames[1:] == made.frames[:-1]).all((1, 2, 3))
    assert repeated.sum() > FRAMES / 4
    assert (made.masks[1:] == made.masks[:-1])[repeated].all()
    assert np.array_equal(made.trajectory, video.trajectory)


def test_the_camera_moves_the_mask_by_what_was_asked(video: Video):
    made = spoil(video, {"camera_drift": 1.0})
    moved = [np.argwhere(v.masks[-1]).mean(0) for v in (video, made)]
    assert np.linalg.norm(moved[1] - moved[0]) == pytest.approx(64 / 8, abs=1)
    assert np.array_equal(made.masks[0], video.masks[0])
    zoomed = spoil(video, {"camera_zoom": 1.0}).masks[-1].sum() / video.masks[-1].sum()
    assert zoomed == pytest.approx(1.25**2, rel=0.1) or zoomed == pytest.approx(0.75**2, rel=0.1)


def test_a_limb_vanishes_for_a_while_and_only_it(video: Video, scene: RobotScene):
    made = spoil(video, {"limb_vanishes": 1.0}, 2, scene)
    changed = (made.masks != video.masks).any((1, 2))
    assert 1 <= changed.sum() <= FRAMES / 3 and not changed[0]
    assert not (made.masks & ~video.masks).any()


@pytest.mark.parametrize("kind", ["limb_length", "limb_thickness"])
def test_a_limb_changes_and_the_first_frame_does_not(kind: str, video: Video, scene: RobotScene):
    made = spoil(video, {kind: 1.0}, 2, scene)
    assert np.array_equal(made.frames[0], video.frames[0])
    overlap = (made.masks & video.masks).sum((1, 2)) / (made.masks | video.masks).sum((1, 2))
    assert 0.5 < overlap.min() < 1


def test_feet_slide_because_legs_swing_less_than_the_root_travels(video: Video, scene: RobotScene):
    made = spoil(video, {"feet_slide": 1.0}, 0, scene)
    assert np.array_equal(made.trajectory[:, :7], video.trajectory[:, :7])
    swings = [np.ptp(v.trajectory[:, 7:], axis=0) for v in (made, video)]
    assert swings[0] == pytest.approx(swings[1] / 2)


def test_kinds_add_up_and_draw_from_numbers_of_their_own(video: Video):
    both = spoil(video, {"flicker": 0.5, "camera_drift": 0.5}, 4)
    assert same(both, spoil(spoil(video, {"flicker": 0.5}, 4), {"camera_drift": 0.5}, 4))


def test_what_cannot_be_spoiled_is_said(video: Video):
    with pytest.raises(DataError, match="blur"):
        spoil(video, {"blur": 1.0})
    with pytest.raises(DataError, match="between 0 and 1"):
        spoil(video, {"flicker": 1.5})
    with pytest.raises(DataError, match="scene"):
        spoil(video, {"limb_length": 1.0})
    with pytest.raises(DataError, match="masks"):
        spoil(replace(video, masks=None), {"texture": 1.0})
