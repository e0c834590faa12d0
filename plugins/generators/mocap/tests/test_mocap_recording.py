from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from nil_core.api import DataError
from nil_generator_mocap.reading import Reading, recorded
from nil_generator_mocap.recording import Recording, continuous, read_raw

N = 50
ROOT = ("tx", "ty", "tz", "tilt", "list", "rotation")
X, Y, Z = (1, 0, 0), (0, 1, 0), (0, 0, 1)


def turn(axis: tuple[int, int, int], angle: float) -> Rotation:
    return Rotation.from_rotvec(angle * np.array(axis))


def version_04(root: str = "pelvis", **change: Any) -> dict[str, Any]:
    arrays = {f"q_{root}_{suffix}": np.full(N, 0.1 * i) for i, suffix in enumerate(ROOT)}
    arrays |= {"q_knee": np.linspace(0, 1, N), "dq_knee": np.full(N, np.nan)}
    return arrays | change


def version_1(**change: Any) -> dict[str, Any]:
    qpos = np.zeros((N, 9))
    qpos[:, 0], qpos[:, 3], qpos[:, 7] = np.arange(N), 2.0, np.linspace(0, 1, N)
    return {"qpos": qpos, "joint_names": np.array(["root", "knee", "hip"]), "frequency": 100.0} | change


def read_recording(path: Path, **cut: Any) -> Recording:
    """Of LocoMuJoCo, where nothing is left open."""
    return recorded(read_raw(path, **cut), Reading("wxyz", "z", None))


def saved(folder: Path, arrays: dict[str, Any]) -> Path:
    np.savez(folder / "walk.npz", **{name: array for name, array in arrays.items() if array is not None})
    return folder / "walk.npz"


def test_version_04_of_a_humanoid(tmp_path: Path) -> None:
    recording = read_recording(saved(tmp_path, version_04()))
    assert recording.rate == 500 and list(recording.joints) == ["knee"]
    np.testing.assert_allclose(recording.position[3], [0.0, 0.2])  # forward, then sideways: OpenSim's y is up
    expected = turn((0, -1, 0), 0.3) * turn(X, 0.4) * turn(Z, 0.5)
    np.testing.assert_allclose(recording.orientation[0], expected.as_quat(scalar_first=True))


def test_version_04_of_a_quadruped(tmp_path: Path) -> None:
    recording = read_recording(saved(tmp_path, version_04("trunk")), rate=250)
    assert recording.rate == 250
    np.testing.assert_allclose(recording.position[3], [0.0, 0.1])
    expected = turn(X, 0.4) * turn(Y, 0.3) * turn(Z, 0.5)
    np.testing.assert_allclose(recording.orientation[0], expected.as_quat(scalar_first=True))


def test_version_1(tmp_path: Path) -> None:
    recording = read_recording(saved(tmp_path, version_1()), rate=7)
    assert recording.rate == 100 and list(recording.joints) == ["knee", "hip"]
    np.testing.assert_allclose(recording.position[:, 0], np.arange(N))
    np.testing.assert_allclose(recording.orientation[0], [1, 0, 0, 0])
    np.testing.assert_allclose(recording.joints["knee"], np.linspace(0, 1, N))


def test_pickles_that_are_not_needed_are_left_alone(tmp_path: Path) -> None:
    assert read_recording(saved(tmp_path, version_1(metadata=np.array({"a": 1}, dtype=object)))).rate == 100


def test_pieces_and_start(tmp_path: Path) -> None:
    path = saved(tmp_path, version_1(split_points=np.array([0, 20, 50])))
    assert list(read_recording(path).position[[0, -1], 0]) == [0, 19]
    assert list(read_recording(path, piece=1, start=0.1).position[[0, -1], 0]) == [30, 49]
    with pytest.raises(DataError, match="no piece 2") as caught:
        read_recording(path, piece=2)
    assert "generator.piece=1" in caught.value.hint
    with pytest.raises(DataError, match=r"lasts 0\.3 s") as caught:
        read_recording(path, piece=1, start=5)
    assert "generator.start=0.15" in caught.value.hint


NOT_A_NUMBER = np.zeros((N, 9))
NOT_A_NUMBER[7, 8] = np.nan
TURNLESS = np.zeros((N, 9))


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"states": np.zeros(3)}, "no recording that mocap knows"),
        (version_04(q_knee=np.array([0.0] * 4 + [np.inf] + [0.0] * (N - 5))), "q_knee .* at sample 4"),
        (version_04(q_knee=np.zeros(N - 1)), "differ in length"),
        (version_04(q_knee=np.array(["a"] * N, dtype=object)), "q_knee .* pickled"),
        (version_04(q_knee=np.zeros(N, complex)), "complex128, not numbers"),
        (version_04(q_pelvis_tilt=None), "lacks the root's pelvis_tilt"),
        (version_04(split_points=np.array([0, 99])), "split_points .* 50 samples"),
        (version_1(qpos=NOT_A_NUMBER), "qpos .* at sample 7"),
        (version_1(qpos=np.zeros((N, 0, 9))), r"qpos .* has the shape \(\d+, 0, 9\)"),
        (version_1(qpos=np.zeros((N, 8))), "names 2 joints and has 1 columns"),
        (version_1(qpos=np.full((N, 9), -1e300)), r"qpos .* beyond 1e\+19"),
        (version_1(qpos=TURNLESS), "quaternions of length 0"),
        (version_1(joint_names=np.array(["root", "knee", "hip"], dtype=object)), "joint_names .* pickled"),
        (version_1(joint_names=None), "no joint_names"),
        (version_1(frequency=None), "lacks frequency"),
        (version_1(frequency=0.0), "not a positive number"),
        (version_1(frequency=np.nan), "frequency .* NaN"),
        (version_1(frequency=np.array("fast")), "frequency .* holds <U4, not numbers"),
        (version_1(frequency=np.array([1.0, 2.0])), "not a positive number"),
    ],
)
def test_bad_recordings_are_refused_in_one_line(arrays: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says) as caught:
        read_recording(saved(tmp_path, arrays))
    assert caught.value.hint and "\n" not in caught.value.message + caught.value.hint


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(cut=st.integers(0, 2000), noise=st.binary(max_size=20))
def test_files_that_are_no_npz_are_refused(cut: int, noise: bytes, tmp_path: Path) -> None:
    whole = saved(tmp_path, version_1()).read_bytes()
    broken = tmp_path / "broken.npz"
    broken.write_bytes(whole[:cut] + noise + whole[cut + len(noise) + 40 :])
    with pytest.raises(DataError):
        read_recording(broken)


def test_an_npz_with_a_damaged_header_is_refused(tmp_path: Path) -> None:
    """Of an array so large that its header is read before its checksum."""
    whole = saved(tmp_path, version_1(qpos=np.zeros((2000, 9)))).read_bytes()
    broken = tmp_path / "broken.npz"
    broken.write_bytes(whole.replace(b", }", b", {"))
    with pytest.raises(DataError, match=r"broken\.npz is damaged"):
        read_recording(broken)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no recording .*absent\.npz") as caught:
        read_recording(tmp_path / "absent.npz")
    assert "generator.path" in caught.value.hint


@given(st.lists(st.booleans(), min_size=2, max_size=30))
def test_signs_that_jump_are_mended(flipped: list[bool]) -> None:
    smooth = Rotation.from_euler("y", np.linspace(0, 2, len(flipped))[:, None]).as_quat(scalar_first=True)
    signs = np.where(flipped, -1.0, 1.0)[:, None]
    np.testing.assert_allclose(continuous(signs * smooth), signs[0] * smooth)
