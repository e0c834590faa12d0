"""What Kling's models cost and how long their videos are: a snapshot, kling.ai's price page of 2026-08-13."""

from __future__ import annotations

from dataclasses import dataclass

DATED = "2026-08-13"
SHORT = (5, 10)


@dataclass(frozen=True)
class Sold:
    """One model.

    Attributes:
        std, pro: USD per second without sound.
        seconds: lengths on sale.
    """

    std: float
    pro: float
    seconds: tuple[int, ...] = SHORT


MODELS = {
    "kling-v1": Sold(0.028, 0.098),
    "kling-v1-5": Sold(0.056, 0.098),
    "kling-v1-6": Sold(0.056, 0.098),
    "kling-v2-master": Sold(0.28, 0.28),
    "kling-v2-1": Sold(0.056, 0.098),
    "kling-v2-1-master": Sold(0.28, 0.28),
    "kling-v2-5-turbo": Sold(0.042, 0.07),
    "kling-v2-6": Sold(0.042, 0.07, tuple(range(3, 11))),
    "kling-v3": Sold(0.084, 0.112, tuple(range(3, 16))),
    "kling-2.5-turbo": Sold(0.042, 0.07),
    "kling-2.6": Sold(0.042, 0.07, tuple(range(3, 11))),
    "kling-3.0": Sold(0.084, 0.112, tuple(range(3, 16))),
    "kling-3.0-turbo": Sold(0.112, 0.14, tuple(range(3, 16))),
}
