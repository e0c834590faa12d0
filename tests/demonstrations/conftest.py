"""A quadruped that trots without physics, as demonstrations and as a recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nil_core.demonstrations.trajectories import Demonstrations
from nil_core.sim.scene import RobotScene
from nil_core.testing import toy_demonstrations, toy_scene, trot


@pytest.fixture(scope="session")
def scene() -> RobotScene:
    return toy_scene(size=16)


@pytest.fixture(scope="session")
def trotting(scene: RobotScene) -> Demonstrations:
    """Two trajectories of 1 s and 0.48 s, 100 rows per second."""
    return toy_demonstrations(scene)


@pytest.fixture
def recording(scene: RobotScene, tmp_path: Path) -> Path:
    """A recording of LocoMuJoCo's layout, 1.2 s at 200 Hz."""
    names = np.array(["root", *(actuator.joint for actuator in scene.spec.actuators)])
    np.savez(tmp_path / "trot.npz", qpos=trot(scene, 1.2, 200), joint_names=names, frequency=200.0)
    return tmp_path / "trot.npz"
