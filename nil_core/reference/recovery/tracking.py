"""Frame-by-frame tracking from the known standing pose: initial poses of the joint fit.

Where a frame is suddenly explained worse than those before, limbs are lost or swapped. It is then also fitted from
joint angles of earlier frames and from their mirror images: a gait is periodic and symmetric.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nil_core.reference.recovery.frame_fit import FrameFit, FramePriors
from nil_core.reference.recovery.limb_search import spread_out
from nil_core.reference.recovery.pose_space import PoseSpace
from nil_core.reference.recovery.priors import Priors
from nil_core.reference.recovery.silhouette import Look
from nil_core.reference.recovery.workers import Comparisons
from nil_core.types import Doubles, Progress

MOMENTUM = 0.8  # share of the last change of pose that the next frame is predicted to repeat
NOISE = 0.5  # standard deviation of a residual
STEPS = 5  # Gauss-Newton steps per frame
PRIOR_FACTOR = 1.5  # times the priors' change, about the predicted pose

MAX_OVERLAP_LOSS = 0.03  # a frame is lost if its overlap is lower by this than the median of the frames before
MAX_EARLIER_POSES = 24  # that are compared with a lost frame
REFITTED = 3  # of them, the best ones


def track(comparisons: Comparisons, space: PoseSpace, priors: Priors, look: Look, progress: Progress) -> Doubles:
    """Track the pose over the frames.

    Args:
        comparisons: with the frames.
        space, priors: of the robot.
        look: settings of the image comparison.
        progress: called after every frame.

    Returns:
        float64 (T, n), starting with the standing pose.
    """
    fits = [FrameFit(space.stand, 0.0, 1.0)]
    for t, step in enumerate(priors.steps, 1):
        near = FramePriors(PRIOR_FACTOR * priors.change * step, priors.stand)
        guess = _predicted(fits, priors.steps)
        (fit,) = comparisons.fit_frame(t, guess[None], near, look, NOISE, STEPS)
        if fit.overlap < np.median([each.overlap for each in fits]) - MAX_OVERLAP_LOSS:
            fit = _refitted(comparisons, space, near, fits, fit, guess, look)
        fits.append(fit)
        progress(t + 1, len(priors.steps) + 1, "frames tracked")
    return np.array([fit.pose for fit in fits])


def _predicted(fits: Sequence[FrameFit], steps: Doubles) -> Doubles:
    """Predicted pose (n,) of the next frame."""
    if len(fits) < 2:
        return fits[-1].pose
    before, last = fits[-2].pose, fits[-1].pose
    pose: Doubles = last + MOMENTUM * steps[len(fits) - 1] / steps[len(fits) - 2] * (last - before)
    return pose


def _refitted(
    comparisons: Comparisons,
    space: PoseSpace,
    priors: FramePriors,
    earlier: Sequence[FrameFit],
    fit: FrameFit,
    guess: Doubles,
    look: Look,
) -> FrameFit:
    """The best fit of a lost frame: the given one, or one from joint angles of earlier frames."""
    overlaps = np.array([each.overlap for each in earlier])
    known = overlaps > np.median(overlaps) - MAX_OVERLAP_LOSS
    joints = np.array([each.pose[space.joints] for each in earlier])[known]
    library = spread_out(np.concatenate([joints, joints[:, space.mirror] * space.mirror_sign]), MAX_EARLIER_POSES)
    guesses = np.repeat(guess[None], len(library), axis=0)
    guesses[:, space.joints] = library
    t = len(earlier)
    costs = comparisons.compare_some(np.full(len(guesses), t), guesses, look)
    best = guesses[np.argsort(costs)[:REFITTED]]
    fits = [fit, *comparisons.fit_frame(t, best, priors, look, NOISE, STEPS)]
    return min(fits, key=lambda each: each.cost / NOISE**2 + float((((each.pose - guess) / priors.guess) ** 2).sum()))
