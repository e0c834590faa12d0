"""Demonstrations from recordings, through the reader of the generator mocap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nil_core import registry
from nil_core.demonstrations.files import write_demonstrations
from nil_core.demonstrations.recordings import from_recordings, read_any
from nil_core.demonstrations.trajectories import Demonstrations
from nil_core.errors import DataError
from nil_core.sim.scene import RobotScene

pytestmark = pytest.mark.skipif(
    "mocap" not in registry.names("generator"), reason="the generator mocap is not installed"
)


def test_a_recording_becomes_states_of_the_robot(recording: Path, scene: RobotScene) -> None:
    made = from_recordings([recording], scene, seconds=1.0)
    assert (made.robot, made.hz, made.lengths.tolist(), made.actions) == ("toy", 100.0, [101], None)
    assert made.speed == pytest.approx(0.5, abs=0.01)
    assert made.provenance["kind"] == "recording" and made.provenance["source"] == "trot.npz"
    address = scene.model.joint("FR_thigh").qposadr[0]
    times = np.arange(101) / 100
    assert np.allclose(made.qpos[:, address] - scene.standing_qpos[address], 0.2 * np.sin(4 * np.pi * times), atol=1e-3)
    speed = made.qvel[:, scene.model.joint("FR_thigh").dofadr[0]]
    expected = 0.8 * np.pi * np.cos(4 * np.pi * times)
    assert np.allclose(speed[3:-3], expected[3:-3], atol=0.05)


def test_a_short_recording_goes_on_with_its_cycle(recording: Path, scene: RobotScene) -> None:
    made = from_recordings([recording, recording], scene, seconds=3.0, hz=50)
    assert made.lengths.tolist() == [151, 151] and len(made.provenance["parts"]) == 2
    assert made.provenance["parts"][0]["period"] == pytest.approx(0.5, abs=0.01)
    assert made.speed == pytest.approx(0.5, abs=0.02)


def test_demonstrations_and_recordings_alike_can_be_learned_from(
    recording: Path, trotting: Demonstrations, scene: RobotScene, tmp_path: Path
) -> None:
    stored = tmp_path / "stored.npz"
    write_demonstrations(stored, trotting)
    assert read_any(stored, scene, 25).rows == trotting.rows
    assert from_recordings([stored, stored], scene).rows == 2 * trotting.rows
    made = read_any(recording, scene, 25)
    assert (made.hz, made.seconds) == (100, 10)
    stored.write_bytes(stored.read_bytes()[:-50])
    with pytest.raises(DataError, match="or is damaged"):
        read_any(stored, scene, 25)
    with pytest.raises(DataError, match="there is no file"):
        read_any(tmp_path / "none.npz", scene, 25)
    other = tmp_path / "other{1}.npz"
    np.savez(other, qpos=np.zeros((50, 9)), joint_names=np.array(["root", "a", "b"]), frequency=50.0)
    with pytest.raises(DataError, match=r"other\{1\}\.npz") as caught:
        read_any(other, scene, 25)
    assert f"nil demos make '{other}'" in caught.value.hint
