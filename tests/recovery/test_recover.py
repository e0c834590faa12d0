"""Motion recovery: the true motion is recovered, and unsuitable videos are reported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nil_core.components import choose
from nil_core.config import RunConfig
from nil_core.errors import ConfigError
from nil_core.reference.motion_source import find_motion
from nil_core.reference.recovery.pose_space import PoseSpace
from nil_core.reference.recovery.quality import truth_errors
from nil_core.reference.recovery.recover import Recovered, recover
from nil_core.reference.recovery.silhouette import Look
from nil_core.reference.recovery.workers import Comparisons
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles, Frames, Masks, no_progress

HZ = 25.0


@pytest.fixture(scope="module")
def drawn(toy: RobotScene, space: PoseSpace, stepping: Doubles) -> tuple[Frames, Masks]:
    return toy.render(space.qpos(stepping))


@pytest.fixture(scope="module")
def recovered(toy: RobotScene, drawn: tuple[Frames, Masks]) -> Recovered:
    return recover(toy, *drawn, HZ, workers=0)


def test_the_true_motion_is_recovered(recovered: Recovered, space: PoseSpace, stepping: Doubles) -> None:
    errors = truth_errors(recovered.qpos, space.qpos(stepping), space, HZ)
    assert errors["leg_error_rad"] < 0.08
    assert "speed_error" not in errors  # it steps on the spot
    assert abs(recovered.report["forward_speed"]) < 0.05


def test_report_says_how_well(recovered: Recovered, toy: RobotScene) -> None:
    report = recovered.report
    assert report["reasons"] == []
    assert report["overlap_mean"] > 0.95
    assert len(report["overlap"]) == len(recovered.qpos)
    assert list(report["uncertainty_rad"]) == [actuator.joint for actuator in toy.spec.actuators]
    assert all(0 < value < 0.2 for value in report["uncertainty_rad"].values())
    assert report["sole_below_floor_m"] < 0.02
    assert report["camera"] is None


def test_joints_stay_within_their_limits(recovered: Recovered, space: PoseSpace) -> None:
    joints = recovered.qpos[:, space.addresses]
    assert (joints >= space.lower[6:] - 1e-9).all()
    assert (joints <= space.upper[6:] + 1e-9).all()


def test_first_row_is_the_stand(recovered: Recovered, toy: RobotScene, space: PoseSpace) -> None:
    assert recovered.qpos[0][space.addresses] == pytest.approx(toy.standing_qpos[space.addresses], abs=1e-6)
    assert recovered.qpos[0, :2] == pytest.approx([0, 0], abs=1e-6)


def test_masks_alone_are_enough(
    toy: RobotScene, space: PoseSpace, stepping: Doubles, drawn: tuple[Frames, Masks]
) -> None:
    frames, masks = drawn
    noise = np.random.default_rng(0).integers(0, 255, frames.shape, np.uint8)
    found = recover(toy, np.where(masks[..., None], noise, np.uint8(0)), masks, HZ, workers=0)
    assert not found.report["shading"]
    assert truth_errors(found.qpos, space.qpos(stepping), space, HZ)["leg_error_rad"] < 0.08


def test_fast_references_are_interpolated(toy: RobotScene, drawn: tuple[Frames, Masks], space: PoseSpace) -> None:
    frames, masks = (np.repeat(part[:6], 2, axis=0) for part in drawn)
    found = recover(toy, frames, masks, 2 * HZ, workers=0)
    assert found.qpos.shape == (12, toy.model.nq)
    assert found.report["frames_fitted"] == 6
    middle = (found.qpos[4] + found.qpos[6]) / 2
    assert found.qpos[5][space.addresses] == pytest.approx(middle[space.addresses], abs=0.1)


def test_repeated_frames_are_left_out(
    toy: RobotScene, space: PoseSpace, stepping: Doubles, drawn: tuple[Frames, Masks]
) -> None:
    repeated = np.array([3, 7, 13])
    shown = np.arange(len(stepping))
    shown[repeated] -= 1
    found = recover(toy, *(part[shown] for part in drawn), HZ, workers=0)
    assert found.report["frames_fitted"] == len(shown) - len(repeated)
    true = space.qpos(stepping)
    error, stopped = (np.abs(poses - true)[repeated][:, space.addresses].mean() for poses in (found.qpos, true[shown]))
    assert error < stopped / 2, "they are interpolated"


def reasons(toy: RobotScene, frames: Frames, masks: Masks) -> str:
    return " / ".join(recover(toy, frames, masks, HZ, workers=0).report["reasons"])


def test_still_video_is_reported(toy: RobotScene, drawn: tuple[Frames, Masks]) -> None:
    assert "does not move" in reasons(toy, *(np.repeat(part[:1], 8, axis=0) for part in drawn))


def test_cut_is_reported(toy: RobotScene, drawn: tuple[Frames, Masks]) -> None:
    frames, masks = drawn[0][:8].copy(), drawn[1][:8].copy()
    frames[5:], masks[5:] = np.roll(frames[5:], 20, axis=2), np.roll(masks[5:], 20, axis=2)
    assert "jumps at 0.20 s" in reasons(toy, frames, masks)


def test_lost_robot_is_reported(toy: RobotScene, drawn: tuple[Frames, Masks]) -> None:
    frames, masks = drawn[0][:8].copy(), drawn[1][:8].copy()
    masks[3:, :, :48] = False
    frames[~masks] = 0
    assert "matches that of the video in only" in reasons(toy, frames, masks)


def test_mirrored_video_is_reported() -> None:
    """The toy looks alike from both sides; a robot seen from an angle does not."""
    from nil_core.experiment.experiment import build_scene

    config = RunConfig()
    scene = build_scene(config, choose(config))
    frames, masks = scene.render(np.repeat(scene.standing_qpos[None], 4, axis=0))
    found = recover(scene, frames[:, :, ::-1].copy(), masks[:, :, ::-1].copy(), HZ, workers=0)
    assert any("mirrored" in reason for reason in found.report["reasons"])


def test_another_robot_is_reported(toy: RobotScene, drawn: tuple[Frames, Masks]) -> None:
    frames, masks = drawn[0][:4].copy(), np.zeros_like(drawn[1][:4])
    masks[:, 20:70, 40:56] = True
    assert "another robot" in reasons(toy, frames, masks)


def test_worker_processes_compare_alike(
    toy: RobotScene, space: PoseSpace, stepping: Doubles, drawn: tuple[Frames, Masks]
) -> None:
    poses = stepping + 0.02
    look = Look((2.0, 5.0))
    with Comparisons(toy, *drawn, workers=0) as here, Comparisons(toy, *drawn, workers=2) as apart:
        for one, other in zip(here.compare(poses, look), apart.compare(poses, look), strict=True):
            assert one == pytest.approx(other)
        lines = zip(here.linearize(poses, look), apart.linearize(poses, look), strict=True)
        assert all(np.allclose(one.curvature, other.curvature) for one, other in lines)


def found(toy: RobotScene, drawn: tuple[Frames, Masks], truth: Doubles | None, **settings: Any) -> Any:
    config = RunConfig(motion=settings)
    frames, masks = (part[:6] for part in drawn)
    return find_motion(config, toy, frames, masks, truth, no_progress)


def test_what_the_generator_drew_is_only_compared_with(
    toy: RobotScene,
    space: PoseSpace,
    stepping: Doubles,
    drawn: tuple[Frames, Masks],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    monkeypatch.setenv("NIL_CACHE", str(tmp_path))
    truth = space.qpos(stepping)[:6]
    without = found(toy, drawn, None)
    compared = found(toy, drawn, truth)
    assert (compared.qpos == without.qpos).all()
    assert compared.source == "video"
    assert "leg_error_rad" in compared.report
    assert "leg_error_rad" not in without.report
    assert list((tmp_path / "motions").iterdir())


def test_none_wanted_is_none(toy: RobotScene, drawn: tuple[Frames, Masks]) -> None:
    assert found(toy, drawn, None, source="none") is None
    with pytest.raises(ConfigError):
        found(toy, drawn, None, source="generator")
