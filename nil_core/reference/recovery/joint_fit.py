"""Gauss-Newton fit of all frames jointly (banded normal equations): images, smoothness and foot contacts.

The damping is Levenberg's. Every frame has its own image; smoothness couples it to the two frames before and after,
foot contacts to the next one. The normal equations are therefore banded, and cheap to solve.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solveh_banded
from threadpoolctl import threadpool_limits

from nil_core.reference.recovery.contacts import LOWEST_SOLE_STD, Contacts
from nil_core.reference.recovery.pose_space import PoseSpace
from nil_core.reference.recovery.priors import Priors
from nil_core.reference.recovery.silhouette import Look
from nil_core.reference.recovery.workers import Comparisons
from nil_core.types import Doubles

_log = logging.getLogger(__name__)

MAX_ANGLE_STEP = 0.25  # rad per step
MAX_DAMPING_TRIES = 4  # per step
MIN_IMPROVEMENT = 3e-3  # relative decrease of the cost that justifies another step
FIRST_FRAME_CURVATURE = 1e12  # fixes the first frame, which is known
UNCERTAINTY_WINDOW = 2  # frames on each side that the uncertainty of a frame takes into account


@dataclass(frozen=True)
class Fit:
    """A fitted motion and its residuals.

    Attributes:
        poses: float64 (T, n).
        costs: float64 (T,), squared residual of each frame.
        overlaps: float64 (T,), intersection over union of the masks.
        normal: the normal equations of the last step.
    """

    poses: Doubles
    costs: Doubles
    overlaps: Doubles
    normal: _NormalEquations

    @property
    def deviations(self) -> Doubles:
        """float64 (T, n), standard deviations of the poses as estimated by the fit; computed on access."""
        with threadpool_limits(1):
            return self.normal.deviations()


def fit_jointly(
    comparisons: Comparisons,
    space: PoseSpace,
    priors: Priors,
    poses: Doubles,
    look: Look,
    noise: float,
    contacts: Contacts,
    steps: int,
    on_step: Callable[[int], None] = lambda done: None,
) -> Fit:
    """Fit the poses of all frames jointly.

    Args:
        comparisons: with the frames.
        space, priors: of the robot.
        poses: (T, n), the initial motion; the first pose is the standing pose and stays fixed.
        look: settings of the image comparison.
        noise: standard deviation of a residual.
        contacts: standard deviations of the contact constraints.
        steps: maximum number of Gauss-Newton steps.
        on_step: called with the number of steps taken.
    """
    damping = 1e-3
    for step in range(steps):
        normal = _NormalEquations(len(poses), space.size)
        seen = comparisons.linearize(poses, look)
        costs = np.array([each.cost for each in seen])
        overlaps = np.array([each.overlap for each in seen])
        normal.add_pictures(
            np.stack([each.curvature for each in seen]) / noise**2,
            np.stack([each.gradient for each in seen]) / noise**2,
        )
        normal.add_priors(priors, poses, space.stand)
        soles, rates = space.soles_and_rates(poses)
        weights = contacts.standing(soles)
        normal.add_contacts(contacts, soles, rates, weights)

        def total(candidate: Doubles, weights: Doubles = weights) -> tuple[float, Doubles, Doubles]:
            squared, overlap = comparisons.compare(candidate, look)
            misfit = priors.misfit(candidate, space.stand) + contacts.misfit(space.soles(candidate), weights)
            return float(squared.sum()) / noise**2 + misfit, squared, overlap

        before = costs.sum() / noise**2 + priors.misfit(poses, space.stand) + contacts.misfit(soles, weights)
        better = False
        for _ in range(MAX_DAMPING_TRIES):
            change = normal.solve(damping)
            change[:, 2:] = np.clip(change[:, 2:], -MAX_ANGLE_STEP, MAX_ANGLE_STEP)
            candidate = space.clip(poses + change)
            after, squared, overlap = total(candidate)
            if after < before:
                poses, costs, overlaps, better = candidate, squared, overlap, True
                damping = max(damping / 5, 1e-6)
                break
            damping *= 10
        on_step(step + 1)
        _log.debug("step %d: %.0f to %.0f, overlap %.3f", step, before, after, overlaps.mean())
        if not better or after > (1 - MIN_IMPROVEMENT) * before:
            break
    return Fit(poses, costs, overlaps, normal)


class _NormalEquations:
    """Normal equations A x = b of T blocks of n unknowns, each coupled to the next two."""

    def __init__(self, frames: int, size: int) -> None:
        self._own = np.zeros((frames, size, size))
        self._next = np.zeros((frames, size, size))
        self._after_next = np.zeros((frames, size, size))
        self._right = np.zeros((frames, size))

    def add_pictures(self, curvatures: Doubles, gradients: Doubles) -> None:
        """Add curvatures (T, n, n) and gradients (T, n) of the squared image residuals, in units of the noise."""
        self._own += curvatures
        self._right -= gradients

    def add_priors(self, priors: Priors, poses: Doubles, stand: Doubles) -> None:
        """Add the priors: near the standing pose, at constant velocity, and at rest before the first frame."""
        diagonal = np.arange(poses.shape[1])
        near = 1 / priors.stand**2
        self._own[:, diagonal, diagonal] += near
        self._right -= (poses - stand) * near
        steady = 1 / priors.change**2
        misses = priors.second_differences(poses)  # row k is about frame k
        for k, (miss, weights) in enumerate(zip(misses, priors.second_difference_weights(), strict=True)):
            parts = {k + offset: weight for offset, weight in zip((-1, 0, 1), weights, strict=True) if weight}
            for i, a in parts.items():
                self._right[i] -= a * miss * steady
                for j, b in parts.items():
                    if 0 <= j - i <= 2:
                        block = (self._own, self._next, self._after_next)[j - i]
                        block[i, diagonal, diagonal] += a * b * steady

    def add_contacts(self, contacts: Contacts, soles: Doubles, rates: Doubles, weights: Doubles) -> None:
        """Add contacts: standing soles rest, none sinks, and the lowest is on the floor unless the robot is in the air.

        Args:
            contacts: standard deviations.
            soles, rates: (T, C, 3) and (T, C, 3, n), from :meth:`PoseSpace.soles_and_rates`.
            weights: (T - 1, C), from :meth:`Contacts.standing`.
        """
        for t, c in zip(*np.nonzero(weights > 1e-3), strict=True):
            weight = weights[t, c] / contacts.slip**2
            miss = (soles[t + 1, c] - soles[t, c])[:2]
            one, other = -rates[t, c, :2], rates[t + 1, c, :2]
            self._own[t] += weight * one.T @ one
            self._own[t + 1] += weight * other.T @ other
            self._next[t] += weight * one.T @ other
            self._right[t] -= weight * one.T @ miss
            self._right[t + 1] -= weight * other.T @ miss
        heights = soles[..., 2]
        pulls = np.where(heights < 0, 1 / contacts.sink**2, 0.0)
        frames, lowest = np.arange(len(heights)), heights.argmin(axis=1)
        pulls[frames, lowest] += np.where(heights[frames, lowest] < contacts.flight, 1 / LOWEST_SOLE_STD**2, 0.0)
        for t, c in zip(*np.nonzero(pulls), strict=True):
            up = rates[t, c, 2]
            self._own[t] += pulls[t, c] * np.outer(up, up)
            self._right[t] -= pulls[t, c] * heights[t, c] * up

    def solve(self, damping: float) -> Doubles:
        """Solve for the step (T, n); the first frame stays fixed."""
        frames, size = self._right.shape
        band = self._band()
        band[-1] *= 1 + damping
        band[-1, :size] += FIRST_FRAME_CURVATURE
        with threadpool_limits(1):  # on busy cores, several threads took a hundred times as long
            step: Doubles = solveh_banded(band, self._right.ravel(), check_finite=False).reshape(frames, size)
        return step

    def deviations(self) -> Doubles:
        """Standard deviations (T, n) of the unknowns: square roots of the diagonal of the inverse.

        For frame t the inverse is that of the block of frames t - 2 ... t + 2; all other frames are held fixed.
        """
        frames, size = self._right.shape
        deviations = np.zeros((frames, size))
        for t in range(1, frames):
            first, last = max(1, t - UNCERTAINTY_WINDOW), min(frames, t + UNCERTAINTY_WINDOW + 1)
            block = np.zeros(((last - first) * size,) * 2)
            for i in range(first, last):
                for j, part in ((i, self._own), (i + 1, self._next), (i + 2, self._after_next)):
                    if j < last:
                        rows = slice((i - first) * size, (i - first + 1) * size)
                        columns = slice((j - first) * size, (j - first + 1) * size)
                        block[rows, columns] = part[i]
                        block[columns, rows] = part[i].T
            inverse = np.linalg.inv(block + 1e-9 * np.eye(len(block)))
            where = slice((t - first) * size, (t - first + 1) * size)
            deviations[t] = np.sqrt(np.maximum(np.diag(inverse)[where], 0.0))
        return deviations

    def _band(self) -> Doubles:
        """Upper band of A in the form of :func:`scipy.linalg.solveh_banded`."""
        frames, size = self._right.shape
        width = 3 * size
        band = np.zeros((width, frames * size))
        rows, columns = np.indices((size, size))
        for blocks, ahead in ((self._own, 0), (self._next, 1), (self._after_next, 2)):
            upper = (columns + ahead * size) >= rows
            r, c = rows[upper], columns[upper]
            for t in range(frames - ahead):
                band[width - 1 + r - c - ahead * size, (t + ahead) * size + c] = blocks[t][upper]
        return band
