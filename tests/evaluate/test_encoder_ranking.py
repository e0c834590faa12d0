"""Encoder ranking: the test behaviors match their names, and rankings of known encoders are right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import spearmanr

import nil_core.sim  # noqa: F401  chooses the OpenGL backend before anything imports mujoco

# isort: split
from nil_core.components import choose
from nil_core.config import resolve
from nil_core.errors import ConfigError, DataError
from nil_core.evaluation import behaviors as doings
from nil_core.evaluation.behaviors import FALLING, NOISY, POSES_PER_TICK, REFERENCE, SHIFTED, behaviors, walk
from nil_core.evaluation.ranking import Played, overlap, play, rank, spearman
from nil_core.experiment.experiment import build_scene
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles, Floats, Frames, no_progress
from nil_core.video.clips import ClipEmbedder

MOCAP = Path(__file__).parents[3] / "shared" / "mocap" / "02-constspeed_UnitreeH1.npz"
TICK_HZ = 25.0
Shown = tuple[RobotScene, Doubles, dict[str, Doubles], dict[str, Played]]


def shown(**options: str) -> Shown:
    pytest.importorskip(f"nil_robot_{options['robot']}")
    pytest.importorskip(f"nil_generator_{options['generator']}")
    config = resolve(options=options).config
    choice = choose(config)
    scene = build_scene(config, choice)
    motion = walk(config, choice, scene, no_progress)
    motions = behaviors(scene, motion, TICK_HZ)
    return scene, motion, motions, play(scene, motions, no_progress)


@pytest.fixture(scope="module")
def gait() -> Shown:
    return shown(robot="a1", generator="gait")


class Blind:
    """An encoder with equal embeddings for all clips."""

    clip_length, frame_size = 4, 16

    def encode(self, clips: Frames) -> Floats:
        return np.ones((len(clips), 3), np.float32)


def hog() -> ClipEmbedder:
    pytest.importorskip("nil_encoder_hog")
    return ClipEmbedder(choose(resolve(options={"encoder": "hog"}).config)["encoder"].build(), True)


def test_hog_ranks_a_gait_in_order(gait: Shown) -> None:
    ranking = rank(gait[3], hog(), no_progress, "hog")
    assert ranking.in_order
    assert ranking.similarity[SHIFTED] > ranking.similarity[NOISY] > ranking.similarity[FALLING]
    assert ranking.behaviors > 0.9 and ranking.clips > 0.9
    assert ranking.similarity[REFERENCE] == pytest.approx(1) and 0 < ranking.seconds < 60


@pytest.mark.skipif(not MOCAP.exists(), reason="no recording beside the repository")
def test_hog_ranks_a_recorded_walk_in_order() -> None:
    played = shown(robot="h1", generator="mocap", **{"generator.path": str(MOCAP)})[3]
    ranking = rank(played, hog(), no_progress, "hog")
    assert ranking.in_order
    assert ranking.similarity[SHIFTED] > ranking.similarity[NOISY] > ranking.similarity[FALLING]
    assert ranking.clips > 0.8


def test_an_encoder_with_constant_embeddings_is_not_in_order(gait: Shown) -> None:
    blind = rank(gait[3], ClipEmbedder(Blind(), False), no_progress, "blind")
    assert not blind.in_order and (blind.behaviors, blind.clips) == (0, 0)
    assert set(blind.similarity.values()) == {1}


def test_clips_longer_than_the_behaviors_are_refused(gait: Shown) -> None:
    eyes = Blind()
    eyes.clip_length = 64
    with pytest.raises(DataError, match="takes clips of 64 ticks, and the behaviors have 63"):
        rank(gait[3], ClipEmbedder(eyes, False), no_progress, "blind")


def test_mask_overlap_is_highest_for_the_walk(gait: Shown) -> None:
    likeness = overlap(gait[3])
    assert likeness.pop(REFERENCE) == 1 and min(likeness.values()) > 0 and max(likeness.values()) < 1


def test_errors_are_distances_of_bodies(gait: Shown) -> None:
    errors = {name: each.errors.mean() for name, each in gait[3].items()}
    assert errors.pop(REFERENCE) == 0
    assert min(errors, key=errors.__getitem__) == "joint noise 0.05 rad"
    assert errors["joint noise 0.05 rad"] < errors["joint noise 0.2 rad"] < errors[NOISY] < 0.2
    assert 0.05 < errors[FALLING] < 1


def test_behaviors_are_what_they_are_called(gait: Shown) -> None:
    scene, motion, motions, _ = gait
    walked = motions[REFERENCE]
    ticks = len(walked)
    start = round(doings.SKIPPED_SECONDS * TICK_HZ * POSES_PER_TICK)
    assert ticks == 63 and {poses.shape for poses in motions.values()} == {walked.shape}
    assert (walked == motion[start::POSES_PER_TICK][:ticks]).all()
    assert (motions[SHIFTED][:-1] == walked[1:]).all(), "0.04 s are one tick"
    assert (motions["0.2 s later"][:-5] == walked[5:]).all()
    assert (motions["half as fast"][::2] == walked[: ticks // 2 + 1]).all()
    assert (motions["half as fast again"] == motion[start::3][:ticks]).all()
    assert (motions["backwards"] == walked[::-1]).all()
    assert (motions["standing still"] == scene.standing_qpos).all()
    for name, deviation in (("joint noise 0.05 rad", 0.05), (NOISY, 0.4)):
        noise = (motions[name] - walked)[:, 7:]
        assert noise.std() == pytest.approx(deviation, rel=0.1) and (motions[name][:, :7] == walked[:, :7]).all()
    assert np.linalg.norm(motions["turned by 90 degrees"][:, 3:7], axis=1) == pytest.approx(1)
    height = motions[FALLING][:, 2]
    assert height[0] == walked[0, 2] and height[-1] < 0.6 * height[0]
    again = behaviors(scene, motion, TICK_HZ)
    assert all((again[name] == poses).all() for name, poses in motions.items()), "and they are so every time"


def test_a_video_without_a_motion_cannot_be_varied() -> None:
    pytest.importorskip("nil_generator_file")
    config = resolve(options={"generator": "file", "generator.path": "walk.mp4", "segmenter": "chroma"}).config
    with pytest.raises(ConfigError, match="no motion that could be varied"):
        walk(config, choose(config), None, no_progress)  # type: ignore[arg-type]


numbers = hnp.arrays(np.float64, st.integers(3, 30), elements=st.sampled_from(np.linspace(-1, 1, 9).tolist()))


@given(numbers, st.randoms(use_true_random=False))
def test_rank_correlation_is_spearmans(a: np.ndarray, random: object) -> None:
    b = np.array(random.sample(a.tolist(), len(a)))  # type: ignore[attr-defined]
    expected = spearmanr(a, b).statistic if np.ptp(a) else 0
    assert spearman(a, b) == pytest.approx(expected)
