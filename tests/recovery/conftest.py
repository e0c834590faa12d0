"""A small robot and a motion of it, drawn."""

from __future__ import annotations

import numpy as np
import pytest

from nil_core.sim import gl

gl.choose_backend()

from nil_core.reference.recovery.pose_space import ROOT, PoseSpace  # noqa: E402
from nil_core.sim.scene import RobotScene, compose  # noqa: E402
from nil_core.testing import ToyQuadruped  # noqa: E402
from nil_core.types import Doubles  # noqa: E402

HZ = 25.0


@pytest.fixture(scope="session")
def toy() -> RobotScene:
    """The robot, drawn at 96 pixels."""
    return compose(ToyQuadruped(), "pd", 0.004, 96, simplify=False)


@pytest.fixture(scope="session")
def space(toy: RobotScene) -> PoseSpace:
    return PoseSpace(toy)


@pytest.fixture(scope="session")
def stepping(toy: RobotScene, space: PoseSpace) -> Doubles:
    """Poses (T, n): diagonal pairs of legs lift in turn, 1.25 Hz, on the spot."""
    count = 16
    poses = np.tile(space.stand, (count, 1))
    phase = 2 * np.pi * np.arange(count) / 20
    for number, leg in enumerate(space.legs):
        lift = np.maximum(0.0, np.sin(phase + np.pi * (number in (1, 2)))) ** 2
        poses[:, leg[1]] += 0.3 * lift
        poses[:, leg[2]] -= 0.6 * lift
    assert poses[:, ROOT:].std() > 0
    return poses
