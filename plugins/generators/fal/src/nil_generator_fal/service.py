"""Routes of fal. Source: fal's pages of the models, as of 2026-08."""

from __future__ import annotations

from typing import Any

from nil_core.api import GenerationRequest, letterbox
from nil_core.hosted import Clock, FalQueue, Order, choose_seconds, price_estimate
from nil_generator_fal import FalOptions

KLING = "fal-ai/kling-video/"
KLING_SECONDS = (5, 10)
PRICE_DATE = "2026-08-13"
PRICES = {"fal-ai/kling-video/v1/standard/image-to-video": 0.045}  # USD per second
SIDE = 720  # of the square first frame that is sent, pixels


class Fal(FalQueue):
    """One route. Routes of Kling get the length; all get prompt, image, negative prompt and the user's fields."""

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
            seconds = choose_seconds(route, KLING_SECONDS, seconds)
            body["duration"] = str(seconds)
        if request.negative_prompt:
            body["negative_prompt"] = request.negative_prompt
        return Order(
            model=route,
            body=body | options.input,
            frame=letterbox(request.first_frame, SIDE, SIDE, request.background),
            seconds=seconds,
            estimate=price_estimate(f"fal {route}", seconds, PRICES.get(route), PRICE_DATE, options.price),
            seed=request.seed,
            seeded="seed" in options.input,
        )
