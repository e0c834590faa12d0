"""Legs that were lost, swapped or hidden: each leg tries what legs do elsewhere in the same motion.

A gait repeats itself and is alike on both sides. The poses that a leg and its mirror image take over the whole video
are therefore a small library of what that leg can do in any frame. The best path through it is found by dynamic
programming, and kept where it explains the video better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from nil_core.reference.recovery.pose_space import ROOT, PoseSpace
from nil_core.reference.recovery.silhouette import Look
from nil_core.reference.recovery.workers import Comparisons
from nil_core.types import Doubles

LIBRARY = 20  # poses
DISTINCT = 0.05  # rad between poses of the library
WORSE = 0.02  # overlap that a frame lacks against the first, whose pose is known: it is not explained
COSTLY = 2.0  # times the median residual of all frames: neither is this one
AROUND = 2  # frames before and after a frame that is not
SLOWEST = 0.03  # rad a frame
SPEED = 1.5  # times the speed of the limb's mirror image
GAIN = 0.98  # of the cost, that a path must reach to be taken


@dataclass(frozen=True)
class Searched:
    """A motion after the search.

    Attributes:
        poses: float64 (T, n).
        changed: int, frames in which a leg was given another pose.
    """

    poses: Doubles
    changed: int


def search_limbs(
    comparisons: Comparisons, space: PoseSpace, poses: Doubles, look: Look, noise: float, everywhere: bool
) -> Searched:
    """Try other poses for the legs, in the frames that are not explained.

    Args:
        comparisons: with the frames.
        space: of the robot.
        poses: (T, n).
        look: how pictures are compared.
        noise: standard deviation of a residual.
        everywhere: in all frames, not only in those that are not explained.
    """
    poses, changed = poses.copy(), 0
    costs, overlaps = comparisons.compare(poses, look)
    unexplained = (overlaps < overlaps[0] - WORSE) | (costs > COSTLY * np.median(costs))
    doubtful = everywhere | binary_dilation(unexplained, iterations=AROUND)
    doubtful[0] = False  # the first frame is known
    if not doubtful.any():
        return Searched(poses, 0)
    frames = np.flatnonzero(doubtful)
    for leg in space.legs:
        images = space.mirror[leg - ROOT] + ROOT
        signs = space.mirror_sign[leg - ROOT]
        elsewhere = poses[:, images] * signs
        library = _spread_out(np.concatenate([poses[:, leg], elsewhere]), LIBRARY)
        speed = np.maximum(np.sqrt((np.diff(elsewhere, axis=0) ** 2).mean(axis=0)), SLOWEST) * SPEED
        tried = np.repeat(poses[frames, None], len(library), axis=1)
        tried[:, :, leg] = library
        flat = tried.reshape(-1, space.size)
        options = np.full((len(poses), len(library) + 1), np.inf)
        options[:, 0] = costs
        options[frames, 1:] = comparisons.compare_some(np.repeat(frames, len(library)), flat, look).reshape(
            len(frames), -1
        )
        choices = np.concatenate([poses[:, None, leg], np.repeat(library[None], len(poses), axis=0)], axis=1)
        path, cost = _best_path(options / noise**2, choices / speed)
        stay = options[:, 0].sum() / noise**2 + float(((np.diff(poses[:, leg], axis=0) / speed) ** 2).sum())
        if cost < GAIN * stay:
            rows = np.arange(len(poses))
            poses[:, leg] = choices[rows, path]
            costs = options[rows, path]
            changed += int((path > 0).sum())
    return Searched(poses, changed)


def _spread_out(rows: Doubles, count: int) -> Doubles:
    """At most so many rows, each far from the others."""
    picked, distance = [0], np.linalg.norm(rows - rows[0], axis=1)
    while len(picked) < count and distance.max() > DISTINCT:
        picked.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(rows - rows[picked[-1]], axis=1))
    return rows[picked]


def _best_path(costs: Doubles, choices: Doubles) -> tuple[npt.NDArray[np.int64], float]:
    """The path of least cost (Viterbi): costs (T, K) of choices (T, K, d), plus squared distances between frames."""
    total, came_from = costs[0], []
    for t in range(1, len(costs)):
        moves = ((choices[t][:, None] - choices[t - 1][None]) ** 2).sum(axis=-1)
        through = total[None] + moves
        came_from.append(through.argmin(axis=1))
        total = through.min(axis=1) + costs[t]
    path = [int(total.argmin())]
    for origins in reversed(came_from):
        path.append(int(origins[path[-1]]))
    return np.array(path[::-1]), float(total.min())
