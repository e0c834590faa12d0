"""Routes of fal. Source: fal's pages of the models, as of 2026-08."""

from __future__ import annotations

from typing import Any

from nil_core.api import GenerationRequest, letterbox
from nil_core.hosted import Clock, FalQueue, Order, estimate, ordered_seconds
from nil_generator_fal import FalOptions

KLING = "fal-ai/kling-video/"
KLING_SECONDS = (5, 10)
DATED = "2026-08-13"
PRICES = {"fal-ai/kling-video/v1/standard/image-to-video": 0.045}  # USD per second
SIDE = 720  # pixels of the square that is sent


class Fal(FalQueue):
    """One route. Kling's get length and negative prompt; every other gets prompt and image, and what the user adds."""

    name = "fal"

    def __init__(self, options: FalOptions, clock: Clock | None = None) -> None:
        super().__init__(options, options.base_url, clock)
        self._options = options

    def order(self, request: GenerationRequest) -> Order:
        """The input of the route's model."""
        options, route = self._options, self._options.route
        body: dict[str, Any] = {"prompt": request.prompt}
        seconds = options.seconds or request.seconds
        if route.startswith(KLING):
            seconds = ordered_seconds(route, KLING_SECONDS, seconds)
            body["duration"] = str(seconds)
        if request.negative_prompt:
            body["negative_prompt"] = request.negative_prompt
        return Order(
            model=route,
            body=body | options.input,
            frame=letterbox(request.first_frame, SIDE, SIDE, request.background),
            seconds=seconds,
            estimate=estimate(f"fal {route}", seconds, PRICES.get(route), DATED, options.price),
            seed=request.seed,
            seeded="seed" in options.input,
        )
