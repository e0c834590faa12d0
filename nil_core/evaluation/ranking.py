"""How well encoders tell a walk from other motions: their similarities, beside how far the bodies really are apart."""

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
from nil_core.evaluation.behaviors import ORDER, REFERENCE
from nil_core.reward.similarity import cosine
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles, Frames, Masks, Progress
from nil_core.video.clips import ClipEmbedder, clip_indices
from nil_core.video.masks import iou


@dataclass(frozen=True)
class Played:
    """A behavior of T ticks as it looks.

    Attributes:
        frames: uint8 (T, S, S, 3).
        masks: bool (T, S, S).
        errors: float64 (T,) m, mean distance of the robot's bodies from where the walk has them, seen from the root's
            x and y.
    """

    frames: Frames
    masks: Masks
    errors: Doubles


@dataclass(frozen=True)
class Ranking:
    """How an encoder sees behaviors.

    Attributes:
        similarity: behavior to its mean cosine similarity to the walk, over the clips.
        in_order: the walk a moment later looks likest, a noisy one less, a fall least (``behaviors.ORDER``).
        behaviors, clips: Spearman's rank correlation of similarity with nearness of the bodies, over behaviors and
            over single clips.
        seconds: per clip, as a reward asks for it (a frame-wise encoder sees each frame once), loading aside.
    """

    similarity: Mapping[str, float]
    in_order: bool
    behaviors: float
    clips: float
    seconds: float


def play(scene: RobotScene, motions: Mapping[str, Doubles], progress: Progress) -> dict[str, Played]:
    """Draw behaviors, from :func:`nil_core.evaluation.behaviors.behaviors`, and measure them against the walk."""
    walk = _bodies(scene, motions[REFERENCE])
    played = {}
    for number, (name, poses) in enumerate(motions.items(), start=1):
        frames, masks = scene.render(poses)
        apart = np.linalg.norm(_bodies(scene, poses) - walk, axis=-1)
        played[name] = Played(frames, masks, apart.mean(axis=1))
        progress(number, len(motions), "behaviors drawn")
    return played


def overlap(played: Mapping[str, Played]) -> dict[str, float]:
    """Behavior to the mean IoU of its masks with the walk's: what masks alone tell."""
    return {name: float(iou(each.masks, played[REFERENCE].masks).mean()) for name, each in played.items()}


def rank(played: Mapping[str, Played], embedder: ClipEmbedder, progress: Progress, name: str) -> Ranking:
    """Have an encoder compare behaviors with the walk, clip by clip; clips that are not yet whole are left out.

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
            f"the encoder {name} looks at {embedder.length} ticks at once, and the behaviors last {ticks}",
            "a smaller encoder.stride",
        )
    whole = slice(embedder.length - 1, None)
    began = time.perf_counter()
    walk = embedder.embed_video(played[REFERENCE].frames)[0][whole]
    alike = {REFERENCE: cosine(walk, walk)}
    others = [behavior for behavior in played if behavior != REFERENCE]
    for number, behavior in enumerate(others, start=1):
        alike[behavior] = cosine(embedder.embed_video(played[behavior].frames)[0][whole], walk)
        progress(number, len(others), f"behaviors seen by {name}")
    seconds = (time.perf_counter() - began) / sum(len(each.frames) for each in played.values())
    similarity = {behavior: float(clips.mean()) for behavior, clips in alike.items()}
    return Ranking(
        similarity=similarity,
        in_order=all(likelier > other for likelier, other in pairwise(similarity[each] for each in ORDER)),
        behaviors=spearman([similarity[each] for each in others], [-played[each].errors.mean() for each in others]),
        clips=spearman(
            np.concatenate([alike[each] for each in others]),
            np.concatenate([-_clip_errors(played[each].errors, embedder.length) for each in others]),
        ),
        seconds=seconds,
    )


def spearman(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Spearman's rank correlation of two rows of numbers, in [-1, 1]; 0 where all of one are equal."""
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
