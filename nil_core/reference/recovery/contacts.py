"""Foot contacts: standing feet do not slip and do not sink into the floor, which determines the robot's travel.

The camera follows the robot, so the video does not show its travel. It is the travel that keeps standing soles at rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nil_core.types import Doubles

CONTACT_HEIGHT, CONTACT_FADE = 0.01, 0.003  # m above the floor at which the contact weight is 1/2, and its decay length
MAX_SLIP = 6.0  # standard deviations of slip, beyond which a low sole is taken to swing
FLIGHT_HEIGHT = 0.04  # m; soles of a walking robot are lower, of a jumping one higher
LOWEST_SOLE_STD = 0.01  # m, standard deviation of the lowest sole from the floor


@dataclass(frozen=True)
class Contacts:
    """Standard deviations of the contact constraints.

    Attributes:
        slip: m a frame, standard deviation.
        sink: m below the floor, standard deviation.
        flight: m; if no point of a sole is lower, the robot may be in the air. Infinite if the camera is unknown: a
            rising robot and a sinking image look alike.
    """

    slip: float
    sink: float
    flight: float = FLIGHT_HEIGHT

    def standing(self, soles: Doubles) -> Doubles:
        """Contact weights, 0 ... 1, of sole points (T, C, 3) between consecutive frames: (T - 1, C).

        A point that is low and hardly moves is in contact (Geman-McClure weight).
        """
        low = 1 / (1 + np.exp(np.clip((soles[..., 2] - CONTACT_HEIGHT) / CONTACT_FADE, -50, 50)))
        moved = (np.diff(soles[..., :2], axis=0) ** 2).sum(axis=-1) / (MAX_SLIP * self.slip) ** 2
        weights: Doubles = np.minimum(low[1:], low[:-1]) / (1 + moved) ** 2
        return weights

    def misfit(self, soles: Doubles, weights: Doubles) -> float:
        """Sum of squared deviations, in standard deviations.

        Args:
            soles: float64 (T, C, 3), see :meth:`PoseSpace.soles`.
            weights: (T - 1, C), from :meth:`standing`.
        """
        moved = ((soles[1:, :, :2] - soles[:-1, :, :2]) ** 2).sum(axis=-1)
        heights = soles[..., 2]
        lowest = np.minimum(heights.min(axis=1), self.flight)
        return float(
            (weights * moved).sum() / self.slip**2
            + (np.minimum(heights, 0.0) ** 2).sum() / self.sink**2
            + (lowest**2).sum() / LOWEST_SOLE_STD**2
        )


def travel(soles: Doubles) -> Doubles:
    """Root positions x, y (T, 2) in m that keep the lowest soles at rest, from soles (T, C, 3) of a robot in place."""
    heights = soles[1:, :, 2] + soles[:-1, :, 2]
    weights = np.exp(-(heights - heights.min(axis=1, keepdims=True)) / LOWEST_SOLE_STD)
    weights /= weights.sum(axis=1, keepdims=True)
    steps = -(weights[..., None] * np.diff(soles[..., :2], axis=0)).sum(axis=1)
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
