"""The motion of a reference: its source, its speed, and saving it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nil_core.config import RunConfig
from nil_core.errors import ConfigError
from nil_core.reference.folder import load_reference, save_reference
from nil_core.reference.motion_source import find_motion
from nil_core.reference.speed import mean_speed
from nil_core.sim import gl
from nil_core.testing import ToyQuadruped
from nil_core.types import Motion, Reference, no_progress

gl.choose_backend()

from nil_core.sim.scene import RobotScene, compose  # noqa: E402

FRAMES, MASKS = np.zeros((5, 48, 48, 3), np.uint8), np.ones((5, 48, 48), np.bool_)


@pytest.fixture(scope="module")
def toy() -> RobotScene:
    return compose(ToyQuadruped(), "pd", 0.004, 48, simplify=False)


def find(scene: RobotScene, source: str, trajectory: np.ndarray | None) -> Motion | None:
    return find_motion(RunConfig(motion={"source": source}), scene, FRAMES, MASKS, trajectory, no_progress)


def test_the_generators_own_motion_begins_at_the_origin(toy: RobotScene) -> None:
    drawn = np.tile(toy.standing_qpos, (5, 1))
    drawn[:, 0] += 3 + np.arange(5)
    drawn[:, 1] -= 2
    before = drawn.copy()
    motion = find(toy, "generator", drawn)
    assert motion is not None and (motion.source, motion.trusted) == ("generator", True)
    assert motion.qpos[:, 0].tolist() == [0, 1, 2, 3, 4] and not motion.qpos[:, 1].any()
    assert (motion.qpos[:, 2:] == drawn[:, 2:]).all() and (drawn == before).all()


def test_the_generators_motion_is_used_for_source_generator_only(toy: RobotScene) -> None:
    assert find(toy, "none", np.tile(toy.standing_qpos, (5, 1))) is None


def test_an_unknown_motion_or_that_of_another_robot_is_refused(toy: RobotScene) -> None:
    with pytest.raises(ConfigError, match="generator knows the motion") as caught:
        find(toy, "generator", None)
    assert "motion.source=none" in caught.value.hint
    with pytest.raises(ConfigError, match=f"26 numbers a pose, and toy has {toy.model.nq}"):
        find(toy, "generator", np.zeros((5, 26)))
    with pytest.raises(ConfigError, match="not finite"):
        find(toy, "generator", np.full((5, toy.model.nq), np.nan))


@pytest.mark.parametrize("motion", [None, Motion(np.ones((5, 19)), "video", False, {"iou": 0.4, "why": ["lost"]})])
def test_a_reference_keeps_its_motion(tmp_path: Path, motion: Motion | None) -> None:
    empty = np.zeros((5, 0), np.float32)
    save_reference(tmp_path, Reference(FRAMES, MASKS, empty, empty, 25.0, motion=motion))
    loaded = load_reference(tmp_path).motion
    assert (tmp_path / "motion.json").exists() == (motion is not None)
    if motion is None:
        assert loaded is None
    else:
        assert loaded is not None and (loaded.qpos == motion.qpos).all() and loaded.qpos.dtype == np.float64
        assert (loaded.source, loaded.trusted, loaded.report) == (motion.source, motion.trusted, motion.report)


def test_a_reference_keeps_how_its_squares_lag(tmp_path: Path) -> None:
    empty, lags = np.zeros((5, 0), np.float32), np.arange(15.0).reshape(5, 3)
    for given in (lags, None):
        save_reference(tmp_path, Reference(FRAMES, MASKS, empty, empty, 25.0, box_lags=given))
        loaded = load_reference(tmp_path).box_lags
        assert loaded is None if given is None else (loaded == given).all()


def test_mean_speed_over_the_whole_or_without_the_beginning() -> None:
    qpos = np.zeros((31, 7))
    qpos[10:, 0] = 0.04 * np.arange(21)  # rests for a third of the time
    assert mean_speed(qpos, 25.0) == pytest.approx(2 / 3)
    assert mean_speed(qpos, 25.0, 1 / 3) == pytest.approx(1.0)
    assert mean_speed(qpos[:2], 25.0, 0.9) == 0.0
