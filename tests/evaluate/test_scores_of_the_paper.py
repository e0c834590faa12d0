"""LocoMuJoCo's reward, the MoCap loss and the quality of a motion: closed forms, and transcriptions of definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nil_core.sim import gl
from nil_core.testing import ToyQuadruped

gl.choose_backend()

from nil_core.evaluation import gait_quality  # noqa: E402
from nil_core.evaluation.gait_quality import GaitQuality  # noqa: E402
from nil_core.evaluation.locomujoco import (  # noqa: E402
    FallBounds,
    LocoMujocoScore,
    fall_bounds,
    is_quadruped,
    rewards,
    steps_until_fall,
)
from nil_core.evaluation.mocap_loss import RATE, KeyPoints, MotionLoss, distances, resampled, warping_path  # noqa: E402
from nil_core.evaluation.rollout import Episode  # noqa: E402
from nil_core.evaluation.step_records import Recorder, StepRecords  # noqa: E402
from nil_core.sim.scene import RobotScene, compose  # noqa: E402
from nil_core.types import Doubles  # noqa: E402

HZ = 25.0


@pytest.fixture(scope="module")
def scene() -> RobotScene:
    return compose(ToyQuadruped(), "pd", 0.004, 64, simplify=False)


def records(n: int, nu: int = 12, **changes: Doubles) -> StepRecords:
    """A robot that stands still."""
    still = StepRecords(
        joint_position=np.zeros((n, nu)),
        joint_velocity=np.zeros((n, nu)),
        torque=np.zeros((n, nu)),
        root_velocity=np.zeros((n, 2)),
        root_height=np.full(n, 0.29),
        root_quaternion=np.tile([1.0, 0, 0, 0], (n, 1)),
        slip=np.zeros(n),
        loaded_feet=np.zeros(n),
    )
    return replace(still, **changes)


def episode(recorded: StepRecords, qpos: Doubles | None = None, hz: float = HZ) -> Episode:
    n = len(recorded.root_height)
    none = np.empty(0, np.float32)
    frames = np.empty((0, 0, 0, 3), np.uint8)
    poses = np.zeros((n + 1, 19)) if qpos is None else qpos
    return Episode(none, none, {}, np.zeros(n, np.float32), none, False, poses, frames, frames[..., 0] > 0, recorded)


def test_a_constant_speed_scores_as_in_the_paper() -> None:
    at = {speed: np.tile([speed, 0.3], (400, 1)) for speed in (1.0, 1.25)}
    assert rewards(at[1.25], 1.25, quadruped=False).sum() == 400, "the lateral speed does not count"
    assert rewards(at[1.0], 1.25, quadruped=False).sum() == pytest.approx(375.8, abs=0.05)
    assert rewards(at[1.0], 1.0, quadruped=True).sum() == pytest.approx(400 * np.exp(-5 * 0.3))
    assert rewards(np.array([[0.6, 0.0]]), 0.5, quadruped=True) == pytest.approx(np.exp(-0.5)), "not squared"


@pytest.mark.parametrize(("horizon", "lived"), [(400, 400), (62, 62), (62, 31), (1000, 250)])
def test_the_sum_is_scaled_to_400_steps_and_missed_steps_count_nothing(
    scene: RobotScene, horizon: int, lived: int
) -> None:
    walk = episode(records(lived, root_velocity=np.tile([0.7, 0.0], (lived, 1))))
    score = LocoMujocoScore(scene, horizon, own_speed=0.7, stop_at_bounds=False)
    found = score(walk)
    assert set(found) == {"locomujoco_1.25", "locomujoco_1.0", "locomujoco_0.5", "locomujoco_own"}
    assert found["locomujoco_own"] == pytest.approx(400 * lived / horizon)
    assert found["locomujoco_0.5"] == pytest.approx(400 * lived / horizon * np.exp(-1.0))
    unknown = LocoMujocoScore(scene, horizon, own_speed=None, stop_at_bounds=False)
    assert "locomujoco_own" not in unknown(walk)
    assert score(replace(walk, records=None)) == {}, "a task without a robot"


def turned(order: str, degrees: float, n: int = 10) -> Doubles:
    """Upright, and from the fifth step on turned."""
    rotation = Rotation.from_euler(order, degrees, degrees=True).as_quat(scalar_first=True)
    return np.stack([[1.0, 0, 0, 0]] * 4 + [rotation] * (n - 4))


@pytest.mark.parametrize(
    ("axis", "degrees", "falls"),
    [
        ("y", 39, False),  # to the front
        ("y", 41, True),
        ("y", -14, False),  # to the back
        ("y", -16, True),
        ("x", 22, False),  # to the right
        ("x", 23, True),
        ("x", -14, False),
        ("x", -16, True),
        ("z", 22, False),
        ("z", -23, True),
    ],
)
def test_the_limits_of_a_humanoid(axis: str, degrees: float, falls: bool) -> None:
    bounds = FallBounds((0.7, 1.1), (-np.pi / 4.5, np.pi / 12), (-np.pi / 12, np.pi / 8), (-np.pi / 8, np.pi / 8))
    leaning = records(10, root_height=np.ones(10), root_quaternion=turned(axis, degrees))
    assert steps_until_fall(leaning, bounds, False, ()) == (5 if falls else None)


def test_an_episode_ends_for_the_score_where_a_quadruped_leans_or_sinks(scene: RobotScene) -> None:
    assert is_quadruped(scene) and fall_bounds(scene).height[0] == pytest.approx(scene.standing_qpos[2] - 0.24)
    score = LocoMujocoScore(scene, 10, own_speed=0.0, stop_at_bounds=True)
    turning = episode(records(10, root_quaternion=turned("z", 90)))
    assert score(turning) == score(turning) | {"locomujoco_own": 400.0, "locomujoco_falls": 0.0}
    sunk = records(10, root_height=np.array([0.29] * 3 + [0.04] * 7))
    for fallen, steps in ((records(10, root_quaternion=turned("y", 12)), 5), (sunk, 4)):
        found = score(episode(fallen))
        assert (found["locomujoco_own"], found["locomujoco_falls"]) == (pytest.approx(40 * steps), 1.0)


def naive_warping(a: Doubles, b: Doubles, band: int) -> float:
    """Least total cost by plain recursion over all paths, without a table of rows."""
    known: dict[tuple[int, int], float] = {}

    def total(i: int, j: int) -> float:
        if i < 0 or j < 0 or abs(i - j) > band:
            return float("inf")
        if (i, j) not in known:
            here = float(np.mean([abs(x - y) for x, y in zip(a[i], b[j], strict=True)]))
            before = 0.0 if i == j == 0 else min(total(i - 1, j), total(i, j - 1), total(i - 1, j - 1))
            known[i, j] = here + before
        return known[i, j]

    return total(len(a) - 1, len(b) - 1)


@pytest.mark.parametrize(("n", "m", "band"), [(20, 20, 3), (17, 20, 4), (20, 20, 20), (9, 9, 0), (1, 1, 2)])
def test_warping_against_a_naive_one(n: int, m: int, band: int) -> None:
    random = np.random.default_rng(n * m + band)
    a, b = random.normal(size=(n, 3)), random.normal(size=(m, 3))
    cost = np.abs(a[:, None] - b[None]).mean(axis=2)
    path = warping_path(cost, band)
    steps = np.diff(path, axis=0)
    assert path[0].tolist() == [0, 0] and path[-1].tolist() == [n - 1, m - 1]
    assert ((steps == 0) | (steps == 1)).all() and (steps.sum(axis=1) > 0).all()
    assert np.abs(path[:, 0] - path[:, 1]).max() <= max(band, m - n)
    assert cost[path[:, 0], path[:, 1]].sum() == pytest.approx(naive_warping(a, b, band))


def gait(seconds: float, later: float = 0.0, speed: float = 1.0) -> Doubles:
    """Joints (n, 12) of a gait of 0.6 s at :data:`RATE`."""
    times = speed * (np.arange(round(seconds * RATE) + 1) / RATE + later)
    return 0.4 * np.sin(2 * np.pi * times[:, None] / 0.6 + np.arange(12))


def test_a_motion_is_its_own_recording_at_any_phase() -> None:
    motion = gait(2.0)
    same = distances(motion, motion)
    assert (same.loss, same.warp, same.shifted, same.shift) == (0, 0, 0, 0)
    later = distances(gait(2.0, later=0.3), gait(3.5))
    assert later.loss == pytest.approx(0, abs=1e-12) and later.shift == 30
    unshifted = distances(gait(2.0, later=0.05), motion)
    assert unshifted.shifted > 5 * unshifted.loss > 0, "without room to shift, warping finds it except at the ends"
    assert 0.03 < unshifted.warp < 0.06


def test_warping_forgives_cadence_and_says_so_and_no_other_gait() -> None:
    slow, other = distances(gait(1.5, speed=0.9), gait(3.0)), distances(gait(2.0)[:, ::-1], gait(3.5))
    assert slow.loss < 0.3 * slow.shifted and slow.warp > 0.01
    assert other.loss > 10 * slow.loss and other.loss <= other.shifted + 1e-12


def poses(scene: RobotScene, angles: Doubles) -> Doubles:
    rows = np.tile(scene.standing_qpos, (len(angles), 1))
    rows[:, 7:] = angles
    rows[:, :2] = np.linspace(0, 3, len(rows))[:, None]  # the root does not count
    return rows


def test_the_loss_of_episodes_in_degrees_and_millimeters(scene: RobotScene) -> None:
    stand = scene.standing_qpos[7:]
    recording = poses(scene, stand + 0.3 * gait(3.5))
    loss = MotionLoss("mocap", scene, recording, 1.5, HZ, HZ)
    walked = poses(scene, stand + 0.3 * gait(2.0, later=0.2)[:: round(RATE / HZ)])
    found = loss(episode(records(50), walked))
    assert set(found) == {"mocap_loss_deg", "mocap_warp", "mocap_shift_deg", "mocap_keybody_mm"}
    assert max(value or 0 for value in found.values()) < 0.02, "splines between the ticks"
    bent = walked.copy()
    bent[:, 7:] += np.radians(3.0)
    short = loss(episode(records(20), bent[:21]))
    assert short["mocap_shift_deg"] == pytest.approx(3.0, abs=0.05), "a fall is scored on what there is"
    assert short["mocap_loss_deg"] is not None and 1.0 < short["mocap_loss_deg"] <= short["mocap_shift_deg"] + 1e-9
    assert short["mocap_keybody_mm"] is not None and 5 < short["mocap_keybody_mm"] < 40
    one = [actuator.joint for actuator in scene.spec.actuators][:1]
    spoiled = recording.copy()
    spoiled[:, 7] += 1.0
    assert (MotionLoss("m", scene, spoiled, 1.5, HZ, HZ, one)(episode(records(50), walked))["m_loss_deg"] or 0) < 0.02


def test_key_points_are_the_feet_and_the_last_joints_in_the_frame_of_the_root(scene: RobotScene) -> None:
    points = KeyPoints(scene)(np.tile(scene.standing_qpos[7:], (2, 1)))
    assert points.shape == (2, 8, 3) and (points[0] == points[1]).all()
    assert points[0, 4:, 2] == pytest.approx(-scene.standing_qpos[2], abs=0.04), "feet are below the root"


def test_samples_between_ticks() -> None:
    times = np.array([0.0, 0.04, 0.08, 0.1])  # the last step of a fall may come early
    rows = resampled(np.stack([times, times**2], axis=1), times)
    assert rows[:, 0] == pytest.approx(np.arange(11) / RATE) and rows[:, 1] == pytest.approx(rows[:, 0] ** 2)


def test_quality_in_closed_form() -> None:
    times = np.arange(51) / HZ
    swing = np.stack([times * 2.0, times * -4.0], axis=1)
    assert gait_quality.mean_change(swing, HZ) == pytest.approx(3.0)
    assert gait_quality.mean_change(swing[:1], HZ) is None
    assert gait_quality.foot_slip(np.array([0.3, 0.0, 0.1]), np.array([2, 0, 2])) == pytest.approx(0.1)
    assert gait_quality.foot_slip(np.zeros(3), np.zeros(3)) is None
    torque, velocity = np.array([[10.0, -5.0]]), np.array([[2.0, 4.0]])
    for speed in (0.8, -0.8):
        assert gait_quality.cost_of_transport(torque, velocity, speed, 100.0) == pytest.approx(0.5)
    assert gait_quality.cost_of_transport(torque, velocity, 0.001, 100.0) is None


def test_asymmetry_of_a_walk_a_limp_and_a_short_episode() -> None:
    times = np.arange(100) / HZ
    left = np.sin(2 * np.pi * times / 0.8)[:, None]
    right = np.roll(left, 10, axis=0)  # half a cycle
    assert gait_quality.asymmetry(left, right, HZ) == pytest.approx(0, abs=1e-9)
    assert gait_quality.asymmetry(right, left, HZ) == pytest.approx(0, abs=1e-9)
    limp = gait_quality.asymmetry(left, 0.5 * right, HZ)
    assert limp == pytest.approx(np.degrees(0.5 * 2 / np.pi), rel=0.05)
    assert gait_quality.asymmetry(left[:10], right[:10], HZ) is None
    assert gait_quality.asymmetry(left[:, :0], right[:, :0], HZ) is None


def test_jitter_costs_smoothness_and_not_speed_and_sides_are_mirrored(scene: RobotScene) -> None:
    quality = GaitQuality(scene, HZ)
    stand, random = scene.standing_qpos[7:], np.random.default_rng(0)
    ahead = np.tile([0.7, 0.0], (100, 1))
    walk = records(100, root_velocity=ahead, joint_velocity=0.3 * gait(0.99), joint_position=np.tile(stand, (100, 1)))
    jitter = replace(walk, joint_velocity=walk.joint_velocity + random.normal(0, 1, (100, 12)))
    smooth, shaken = quality(episode(walk)), quality(episode(jitter))
    assert (shaken["joint_acceleration"] or 0) > 5 * (smooth["joint_acceleration"] or 0)
    assert smooth["cost_of_transport"] == 0 and smooth["asymmetry"] == pytest.approx(0, abs=1e-6)
    splayed = walk.joint_position.copy()
    names = [actuator.joint for actuator in scene.spec.actuators]
    splayed[:, names.index("FR_hip")] -= 0.2
    splayed[:, names.index("FL_hip")] += 0.2
    assert quality(episode(replace(walk, joint_position=splayed)))["asymmetry"] == pytest.approx(0, abs=1e-6)
    splayed[:, names.index("FR_hip")] += 0.2
    assert quality(episode(replace(walk, joint_position=splayed)))["asymmetry"] == pytest.approx(np.degrees(0.2) / 6)


def test_records_come_back_from_their_columns(scene: RobotScene) -> None:
    recorder = Recorder(scene)
    columns = np.arange(2.0 * len(recorder.terms)).reshape(2, -1)
    found = recorder.records(columns)
    assert (found.joint_position == columns[:, :12]).all() and (found.joint_velocity == columns[:, 12:24]).all()
    assert (found.torque == 30 * columns[:, 24:36]).all() and (found.loaded_feet == columns[:, -1]).all()
