"""Search for lost, swapped or hidden legs: try the leg poses of other frames of the same motion.

A gait is periodic and symmetric. The poses of a leg and of its mirror image over the whole video are therefore a small
library of candidates for that leg in any frame. Dynamic programming finds the best path through it, which is kept if it
explains the video better.
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

LIBRARY_SIZE = 20  # poses
MIN_POSE_DISTANCE = 0.05  # rad between poses of the library
MAX_OVERLAP_LOSS = 0.02  # a frame is unexplained if its overlap is lower by this than the first frame's (known pose)
MAX_COST_RATIO = 2.0  # ... or if its cost exceeds this times the median of all frames
SEARCH_MARGIN = 2  # frames before and after an unexplained frame that are searched, too
MIN_SPEED = 0.03  # rad per frame
SPEED_FACTOR = 1.5  # times the speed of the limb's mirror image
ACCEPTED_COST_SHARE = 0.98  # a path is accepted if its cost is below this share of the current one


@dataclass(frozen=True)
class Searched:
    """Result of the limb search.

    Attributes:
        poses: float64 (T, n).
        changed: number of leg poses that were replaced, over all legs and frames.
    """

    poses: Doubles
    changed: int


def search_limbs(
    comparisons: Comparisons, space: PoseSpace, poses: Doubles, look: Look, noise: float, everywhere: bool
) -> Searched:
    """Try other poses for the legs in unexplained frames.

    Args:
        comparisons: with the frames.
        space: of the robot.
        poses: (T, n).
        look: settings of the image comparison.
        noise: standard deviation of a residual.
        everywhere: search all frames, not only unexplained ones.
    """
    poses, changed = poses.copy(), 0
    costs, overlaps = comparisons.compare(poses, look)
    unexplained = (overlaps < overlaps[0] - MAX_OVERLAP_LOSS) | (costs > MAX_COST_RATIO * np.median(costs))
    doubtful = everywhere | binary_dilation(unexplained, iterations=SEARCH_MARGIN)
    doubtful[0] = False  # the first frame is known
    if not doubtful.any():
        return Searched(poses, 0)
    frames = np.flatnonzero(doubtful)
    for leg in space.legs:
        images = space.mirror[leg - ROOT] + ROOT
        signs = space.mirror_sign[leg - ROOT]
        elsewhere = poses[:, images] * signs
        library = spread_out(np.concatenate([poses[:, leg], elsewhere]), LIBRARY_SIZE)
        speed = np.maximum(np.sqrt((np.diff(elsewhere, axis=0) ** 2).mean(axis=0)), MIN_SPEED) * SPEED_FACTOR
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
        if cost < ACCEPTED_COST_SHARE * stay:
            rows = np.arange(len(poses))
            poses[:, leg] = choices[rows, path]
            costs = options[rows, path]
            changed += int((path > 0).sum())
    return Searched(poses, changed)


def spread_out(rows: Doubles, count: int) -> Doubles:
    """At most ``count`` rows that are far from each other (farthest-point sampling)."""
    picked, distance = [0], np.linalg.norm(rows - rows[0], axis=1)
    while len(picked) < count and distance.max() > MIN_POSE_DISTANCE:
        picked.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(rows - rows[picked[-1]], axis=1))
    return rows[picked]


def _best_path(costs: Doubles, choices: Doubles) -> tuple[npt.NDArray[np.int64], float]:
    """Path of least cost (Viterbi): costs (T, K) of choices (T, K, d), plus squared distances between frames."""
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
