"""Fit of one frame, near a guess of its pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nil_core.reference.recovery.contacts import LOWEST_SOLE_STD
from nil_core.reference.recovery.pose_space import PoseSpace
from nil_core.reference.recovery.silhouette import FrameComparison, Look
from nil_core.types import Doubles

MAX_STEP = 0.25  # of each entry of the pose, per step
MAX_DAMPING_TRIES = 3  # per step
MIN_IMPROVEMENT = 1e-3  # relative decrease of the cost that justifies another step


@dataclass(frozen=True)
class FramePriors:
    """Standard deviations of a pose, (n,) each: about the guess, and about the standing pose."""

    guess: Doubles
    stand: Doubles


@dataclass(frozen=True)
class FrameFit:
    """The pose (n,) found for a frame, its squared residual, and the overlap of the masks."""

    pose: Doubles
    cost: float
    overlap: float


def fit_frame(
    comparison: FrameComparison,
    t: int,
    guess: Doubles,
    priors: FramePriors,
    look: Look,
    noise: float,
    steps: int,
) -> FrameFit:
    """Fit the pose of one frame, near a guess.

    Args:
        comparison: with the frames.
        t: index of the frame.
        guess: initial pose (n,).
        priors: standard deviations of the pose.
        look: settings of the image comparison.
        noise: standard deviation of a residual.
        steps: maximum number of Gauss-Newton steps.
    """
    space = comparison.space
    near, loose = 1 / priors.guess**2, 1 / priors.stand**2

    def prior(pose: Doubles) -> float:
        floor = float(_lowest_sole(space, pose)[0] ** 2) / LOWEST_SOLE_STD**2 if space.camera else 0.0
        return float((near * (pose - guess) ** 2).sum() + (loose * (pose - space.stand) ** 2).sum()) + floor

    pose, damping, squared, overlap = space.clip(guess), 1e-2, 0.0, 0.0
    for _ in range(steps):
        seen = comparison.linearize(t, pose, look)
        squared, overlap = seen.cost, seen.overlap
        before = seen.cost / noise**2 + prior(pose)
        curvature = seen.curvature / noise**2 + np.diag(near + loose)
        downhill = -seen.gradient / noise**2 - near * (pose - guess) - loose * (pose - space.stand)
        if space.camera:
            height, rates = _lowest_sole(space, pose)
            curvature += np.outer(rates, rates) / LOWEST_SOLE_STD**2
            downhill -= height * rates / LOWEST_SOLE_STD**2
        after = before
        for _ in range(MAX_DAMPING_TRIES):
            damped = curvature + damping * np.diag(np.diag(curvature))
            change = np.clip(np.linalg.solve(damped, downhill), -MAX_STEP, MAX_STEP)
            candidate = space.clip(pose + change)
            cost, candidate_overlap = comparison.compare(t, candidate, look)
            after = cost / noise**2 + prior(candidate)
            if after < before:
                pose, squared, overlap, damping = candidate, cost, candidate_overlap, max(damping / 3, 1e-4)
                break
            damping *= 8
        if after > (1 - MIN_IMPROVEMENT) * before:
            break
    return FrameFit(pose, squared, overlap)


def _lowest_sole(space: PoseSpace, pose: Doubles) -> tuple[float, Doubles]:
    """Height (m) of the lowest sole above the floor, and its derivative (n,).

    If the camera is unknown, it distinguishes a rising robot from a sinking image.
    """
    soles, rates = space.soles_and_rates(pose[None])
    lowest = int(soles[0, :, 2].argmin())
    return float(soles[0, lowest, 2]), rates[0, lowest, 2]
