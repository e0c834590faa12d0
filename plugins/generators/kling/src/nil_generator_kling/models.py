"""Prices and video lengths of Kling's models, from kling.ai's price page of 2026-08-13."""

from __future__ import annotations

from dataclasses import dataclass

PRICE_DATE = "2026-08-13"
DEFAULT_SECONDS = (5, 10)


@dataclass(frozen=True)
class Offer:
    """Price and lengths of one model.

    Attributes:
        std, pro: USD per second without sound.
        seconds: lengths that the service offers.
    """

    std: float
    pro: float
    seconds: tuple[int, ...] = DEFAULT_SECONDS


MODELS = {
    "kling-v1": Offer(0.028, 0.098),
    "kling-v1-5": Offer(0.056, 0.098),
    "kling-v1-6": Offer(0.056, 0.098),
    "kling-v2-master": Offer(0.28, 0.28),
    "kling-v2-1": Offer(0.056, 0.098),
    "kling-v2-1-master": Offer(0.28, 0.28),
    "kling-v2-5-turbo": Offer(0.042, 0.07),
    "kling-v2-6": Offer(0.042, 0.07, tuple(range(3, 11))),
    "kling-v3": Offer(0.084, 0.112, tuple(range(3, 16))),
    "kling-2.5-turbo": Offer(0.042, 0.07),
    "kling-2.6": Offer(0.042, 0.07, tuple(range(3, 11))),
    "kling-3.0": Offer(0.084, 0.112, tuple(range(3, 16))),
    "kling-3.0-turbo": Offer(0.112, 0.14, tuple(range(3, 16))),
}
