"""Rank encoders by how well their similarities to a walk agree with the true distances of the robot's bodies."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import mujoco
import numpy as np
import numpy.typing as npt
from scipy import stats

from nil_core.errors import DataError
from nil_core.evaluation.behaviors import EXPECTED_ORDER, REFERENCE
from nil_core.reward.similarity import cosine
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles, Frames, Masks, Progress
from nil_core.video.clips import ClipEmbedder, clip_indices
from nil_core.video.masks import iou


@dataclass(frozen=True)
class Played:
    """A rendered behavior of T ticks.

    Attributes:
        frames: uint8 (T, S, S, 3).
        masks: bool (T, S, S).
        errors: float64 (T,) m, mean distance of the robot's bodies from those of the walk, relative to the root's x
            and y.
    """

    frames: Frames
    masks: Masks
    errors: Doubles


@dataclass(frozen=True)
class Ranking:
    """Ranking of behaviors by an encoder.

    Attributes:
        similarity: behavior to its mean cosine similarity to the walk, over the clips.
        in_order: the shifted walk is most similar, the noisy one less, the fall least (``behaviors.EXPECTED_ORDER``).
        behaviors, clips: Spearman's rank correlation of similarity with closeness of the bodies, over behaviors and
            over single clips.
        seconds: per clip, as in a reward (a frame-wise encoder encodes each frame once), without loading.
    """

    similarity: Mapping[str, float]
    in_order: bool
    behaviors: float
    clips: float
    seconds: float


def play(scene: RobotScene, motions: Mapping[str, Doubles], progress: Progress) -> dict[str, Played]:
    """Render behaviors of :func:`nil_core.evaluation.behaviors.behaviors` and measure their distances from the walk."""
    walk = _bodies(scene, motions[REFERENCE])
    played = {}
    for number, (name, poses) in enumerate(motions.items(), start=1):
        frames, masks = scene.render(poses)
        distances = np.linalg.norm(_bodies(scene, poses) - walk, axis=-1)
        played[name] = Played(frames, masks, distances.mean(axis=1))
        progress(number, len(motions), "behaviors rendered")
    return played


def overlap(played: Mapping[str, Played]) -> dict[str, float]:
    """Behavior to the mean IoU of its masks with the walk's, for comparison with encoders."""
    return {name: float(iou(each.masks, played[REFERENCE].masks).mean()) for name, each in played.items()}


def rank(played: Mapping[str, Played], embedder: ClipEmbedder, progress: Progress, name: str) -> Ranking:
    """Compare behaviors with the walk by an encoder, clip by clip; incomplete clips are left out.

    Args:
        played: from :func:`play`.
        embedder: the encoder's.
        progress: called after every behavior.
        name: of the encoder, for the progress.

    Raises:
        DataError: a clip is longer than the behaviors.
    """
    ticks = len(played[REFERENCE].frames)
    if embedder.length > ticks:
        raise DataError(
            f"the encoder {name} takes clips of {embedder.length} ticks, and the behaviors have {ticks}",
            "set a smaller encoder.stride",
        )
    whole = slice(embedder.length - 1, None)
    began = time.perf_counter()
    walk = embedder.embed_video(played[REFERENCE].frames)[0][whole]
    similarities = {REFERENCE: cosine(walk, walk)}
    others = [behavior for behavior in played if behavior != REFERENCE]
    for number, behavior in enumerate(others, start=1):
        similarities[behavior] = cosine(embedder.embed_video(played[behavior].frames)[0][whole], walk)
        progress(number, len(others), f"behaviors encoded by {name}")
    seconds = (time.perf_counter() - began) / sum(len(each.frames) for each in played.values())
    similarity = {behavior: float(clips.mean()) for behavior, clips in similarities.items()}
    return Ranking(
        similarity=similarity,
        in_order=all(more > less for more, less in pairwise(similarity[each] for each in EXPECTED_ORDER)),
        behaviors=spearman([similarity[each] for each in others], [-played[each].errors.mean() for each in others]),
        clips=spearman(
            np.concatenate([similarities[each] for each in others]),
            np.concatenate([-_clip_errors(played[each].errors, embedder.length) for each in others]),
        ),
        seconds=seconds,
    )


def spearman(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Spearman's rank correlation of two rows of numbers, in [-1, 1]; 0 if all numbers of one are equal."""
    first, second = np.asarray(a), np.asarray(b)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(stats.spearmanr(first, second).statistic)


def _clip_errors(errors: Doubles, length: int) -> Doubles:
    clips = [errors[clip_indices(t, length)].mean() for t in range(length - 1, len(errors))]
    return np.array(clips)


def _bodies(scene: RobotScene, poses: Doubles) -> Doubles:
    """Positions (T, bodies, 3) m, relative to the root's x and y."""
    model, data = scene.model, mujoco.MjData(scene.model)
    root = model.body(scene.spec.root).id
    positions = np.empty((len(poses), model.nbody - 1, 3))
    for row, pose in zip(positions, poses, strict=True):
        data.qpos[:] = pose
        mujoco.mj_kinematics(model, data)
        row[:] = data.xpos[1:]
        row[:, :2] -= data.xpos[root, :2]
    return positions
