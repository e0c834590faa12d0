"""Pika's image-to-video routes at fal. Source: fal's pages of the models, as of 2026-08."""

from __future__ import annotations

from nil_core.api import GenerationRequest, letterbox
from nil_core.hosted import Clock, FalQueue, Order, choose_seconds, price_estimate
from nil_generator_pika import PikaOptions

ROUTES = {
    "turbo": "fal-ai/pika/v2/turbo/image-to-video",
    "2.1": "fal-ai/pika/v2.1/image-to-video",
    "2.2": "fal-ai/pika/v2.2/image-to-video",
}
SECONDS = {"turbo": (5,), "2.1": (5,), "2.2": (5, 10)}
PRICE_DATE = "2026-08-13"
PRICES = {  # USD for 5 s
    ("turbo", "720p"): 0.20,
    ("2.1", "720p"): 0.40,
    ("2.1", "1080p"): 0.40,
    ("2.2", "720p"): 0.20,
    ("2.2", "1080p"): 0.45,
}
SIDES = {"720p": 720, "1080p": 1080}


class Pika(FalQueue):
    """Image-to-video at Pika: the aspect follows the image, which is sent square; takes seed and negative prompt."""

    name = "pika"

    def __init__(self, options: PikaOptions, clock: Clock | None = None) -> None:
        super().__init__(options, options.base_url, clock)
        self._options = options

    def order(self, request: GenerationRequest) -> Order:
        """One video, of the shortest length that covers the request."""
        model, resolution = self._options.model, self._options.resolution
        seconds = choose_seconds(f"pika {model}", SECONDS[model], request.seconds)
        side, what = SIDES[resolution], f"pika {model} {resolution}"
        return Order(
            model=ROUTES[model],
            body={
                "prompt": request.prompt,
                "negative_prompt": request.negative_prompt,
                "seed": request.seed,
                "resolution": resolution,
                "duration": seconds,
            },
            frame=letterbox(request.first_frame, side, side, request.background),
            seconds=seconds,
            estimate=price_estimate(what, seconds, PRICES[model, resolution] / 5, PRICE_DATE, self._options.price),
            seed=request.seed,
            seeded=True,
        )
