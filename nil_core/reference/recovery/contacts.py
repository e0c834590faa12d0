"""Feet that stand: they do not move, do not sink into the floor, and so tell how far the robot travels.

The camera follows the robot, so that its travel cannot be seen: it is what lets the standing soles rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nil_core.types import Doubles

NEAR, FADE = 0.01, 0.003  # m above the floor at which a sole stands half surely, and how sharply that ends
MOVING = 6.0  # standard deviations of slip, beyond which a low sole rather swings than stands
FLIGHT = 0.04  # m; soles of a walking robot are lower, of a jumping one higher
LOWEST = 0.01  # m by which the lowest sole may miss the floor


@dataclass(frozen=True)
class Contacts:
    """How strictly soles rest.

    Attributes:
        slip: m a frame, standard deviation.
        sink: m below the floor, standard deviation.
        flight: m; if no point of a sole is lower, the robot may be in the air. Infinite where the camera is unknown: a
            robot that rises and a picture that sinks look alike.
    """

    slip: float
    sink: float
    flight: float = FLIGHT

    def standing(self, soles: Doubles) -> Doubles:
        """How surely each point of a sole stands from one frame to the next: (T, C, 3) to (T - 1, C), 0 ... 1.

        A point stands that is low and hardly moves (Geman and McClure's weight).
        """
        low = 1 / (1 + np.exp(np.clip((soles[..., 2] - NEAR) / FADE, -50, 50)))
        moved = (np.diff(soles[..., :2], axis=0) ** 2).sum(axis=-1) / (MOVING * self.slip) ** 2
        weights: Doubles = np.minimum(low[1:], low[:-1]) / (1 + moved) ** 2
        return weights

    def misfit(self, soles: Doubles, weights: Doubles) -> float:
        """Squared deviations in standard deviations.

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
            + (lowest**2).sum() / LOWEST**2
        )


def travel(soles: Doubles) -> Doubles:
    """Where a root goes whose lowest soles rest: soles (T, C, 3) of a robot in place to x and y (T, 2), m."""
    heights = soles[1:, :, 2] + soles[:-1, :, 2]
    weights = np.exp(-(heights - heights.min(axis=1, keepdims=True)) / LOWEST)
    weights /= weights.sum(axis=1, keepdims=True)
    steps = -(weights[..., None] * np.diff(soles[..., :2], axis=0)).sum(axis=1)
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
