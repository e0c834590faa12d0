"""Every observation term against numbers computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nil_core.config import ObservationSettings
from nil_core.sim import gl
from nil_core.testing import ToyQuadruped

gl.choose_backend()

import mujoco  # noqa: E402

from nil_core.sim.observation import TERMS, Observer  # noqa: E402
from nil_core.sim.scene import RobotScene, compose  # noqa: E402

PARTS = (
    "joints", "gravity", "angular_velocity", "linear_velocity", "height", "heading", "last_action", "phase",
)  # fmt: skip
TICKS, K = 5, 3
NONE = np.zeros((TICKS + 1, 0), np.float32)
YAW, PITCH = 0.6, 0.4


@pytest.fixture(scope="module")
def scene() -> RobotScene:
    return compose(ToyQuadruped(), "pd", 0.004, 64, simplify=False)


def observer(scene: RobotScene, *parts: str, preview: np.ndarray = NONE, ahead: int = 0) -> Observer:
    settings = ObservationSettings(**{name: name in parts for name in PARTS}, preview=ahead)
    return Observer(scene, settings, TICKS, TICKS * K, preview)


@pytest.fixture
def leaning(scene: RobotScene) -> mujoco.MjData:
    """Turned to the left by YAW, then nose down by PITCH; moving and turning."""
    data = mujoco.MjData(scene.model)
    data.qpos[:] = scene.standing_qpos
    data.qpos[:3] += [1.0, 0.5, 0.02]
    turn, nose = np.zeros(4), np.zeros(4)
    mujoco.mju_axisAngle2Quat(turn, np.array([0.0, 0, 1]), YAW)
    mujoco.mju_axisAngle2Quat(nose, np.array([0.0, 1, 0]), PITCH)
    mujoco.mju_mulQuat(data.qpos[3:7], turn, nose)
    data.qvel[:6] = [np.cos(YAW), np.sin(YAW), 0.0, 1.0, 2.0, 4.0]  # 1 m/s to where it faces
    data.qpos[7:] += np.linspace(0.1, 0.2, 12)
    data.qvel[6:] = np.arange(12)
    mujoco.mj_forward(scene.model, data)
    return data


EXPECTED = {
    "joints": [*np.linspace(0.1, 0.2, 12), *(0.1 * np.arange(12))],
    "gravity": [np.sin(PITCH), 0.0, -np.cos(PITCH)],
    "angular_velocity": [0.25, 0.5, 1.0],
    "linear_velocity": [np.cos(PITCH), 0.0, np.sin(PITCH)],
    "height": [0.2],
    "heading": [np.sin(YAW), np.cos(YAW), 0.5],
    "last_action": list(np.linspace(-1, 1, 12)),
    "phase": [7 / 15, np.sin(np.pi * 7 / 15), np.cos(np.pi * 7 / 15)],
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_in_numbers(scene: RobotScene, leaning: mujoco.MjData, part: str) -> None:
    seen = observer(scene, part)
    row = seen.observe(leaning, np.linspace(-1, 1, 12), 7)
    assert np.allclose(row, EXPECTED[part], atol=1e-6)
    assert row.dtype == np.float32 and row.shape == (seen.size,)


def test_the_parts_stand_side_by_side(scene: RobotScene, leaning: mujoco.MjData) -> None:
    row = observer(scene, *PARTS).observe(leaning, np.linspace(-1, 1, 12), 7)
    assert np.allclose(row, np.concatenate([EXPECTED[part] for part in PARTS]), atol=1e-6)


def test_standing_still_looks_like_nothing(scene: RobotScene) -> None:
    data = mujoco.MjData(scene.model)
    data.qpos[:] = scene.standing_qpos
    mujoco.mj_forward(scene.model, data)
    row = observer(scene, "joints", "angular_velocity", "linear_velocity", "height", "last_action").observe(
        data, np.zeros(12), 0
    )
    assert not row.any()


@pytest.mark.parametrize("ahead", [1, 2, 3])
def test_the_preview_shows_the_coming_ticks_and_holds_the_last(scene: RobotScene, ahead: int) -> None:
    rows = np.arange(2 * (TICKS + 1), dtype=np.float32).reshape(TICKS + 1, 2)
    seen = observer(scene, preview=rows, ahead=ahead)
    data = mujoco.MjData(scene.model)
    assert seen.size == 2 * ahead
    for step in range(TICKS * K + 1):
        tick = step // K  # the tick that has been reached
        wanted = [rows[min(tick + 1 + n, TICKS)] for n in range(ahead)]
        assert np.array_equal(seen.observe(data, np.zeros(12), step), np.concatenate(wanted))


def test_no_preview_shows_none_of_it(scene: RobotScene) -> None:
    rows = np.ones((TICKS + 1, 2), np.float32)
    assert observer(scene, "height", preview=rows, ahead=0).size == 1


def test_the_layout_has_the_slice_of_each_part(scene: RobotScene, leaning: mujoco.MjData) -> None:
    preview = np.arange((TICKS + 1) * 2, dtype=np.float32).reshape(-1, 2)
    whole = observer(scene, *PARTS, preview=preview, ahead=2)
    row, last = whole.observe(leaning, np.linspace(-1, 1, 12), 7), 0
    for name, where in whole.layout.items():
        assert where.start == last and where.stop > where.start, "they follow each other"
        last = where.stop
        switch = "joints" if name.startswith("joint_") else name
        if switch in EXPECTED and switch != "joints":
            assert row[where] == pytest.approx(EXPECTED[switch], abs=1e-6)
    assert last == whole.size == len(row)
    assert set(whole.layout) == {term.name for term in TERMS}
    assert row[whole.layout["joint_velocities"]] == pytest.approx(0.1 * np.arange(12), abs=1e-6)
    assert (row[whole.layout["preview"]] == whole.coming(7)).all() and (whole.coming(7) == [6, 7, 8, 9]).all()
