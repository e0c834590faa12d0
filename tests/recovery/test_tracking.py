"""Tracking: limbs that are lost from one frame to the next are found again."""

from __future__ import annotations

import numpy as np
import pytest

from nil_core.reference.recovery import tracking
from nil_core.reference.recovery.pose_space import ROOT, PoseSpace
from nil_core.reference.recovery.priors import Priors
from nil_core.reference.recovery.silhouette import Look
from nil_core.reference.recovery.tracking import track
from nil_core.reference.recovery.workers import Comparisons
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles, no_progress

HZ = 25.0


@pytest.fixture(scope="module")
def jumping(space: PoseSpace, stepping: Doubles) -> Doubles:
    """Poses of a motion that continues, from one frame to the next, with the mirror image of an earlier pose."""
    mirrored = stepping.copy()
    mirrored[:, ROOT:] = stepping[:, ROOT:][:, space.mirror] * space.mirror_sign
    return np.concatenate([stepping[:12], mirrored[5:8]])


def errors(toy: RobotScene, space: PoseSpace, poses: Doubles) -> Doubles:
    """Largest error (T,) of a joint of the tracked poses, rad."""
    priors = Priors.of(space, HZ, np.ones(len(poses) - 1))
    with Comparisons(toy, *toy.render(space.qpos(poses)), workers=0) as comparisons:
        tracked = track(comparisons, space, priors, Look((2.0, 5.0)), no_progress)
    return np.abs(tracked - poses)[:, ROOT:].max(axis=1)


def test_limbs_that_are_lost_are_found_again(
    toy: RobotScene, space: PoseSpace, jumping: Doubles, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = errors(toy, space, jumping)
    monkeypatch.setattr(tracking, "MAX_OVERLAP_LOSS", 1.0)
    lost = errors(toy, space, jumping)
    assert found[12:].max() < 0.15
    assert lost[12] > 0.3
