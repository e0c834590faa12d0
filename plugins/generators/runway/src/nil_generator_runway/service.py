"""Runway's tasks. Source: runwayml 5.24.0 and docs.dev.runwayml.com, as of 2026-08."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nil_core.api import ConfigError, GenerationRequest, letterbox
from nil_core.hosted import (
    Clock,
    Connection,
    ErrorResponse,
    HostedGenerator,
    Order,
    Response,
    State,
    Status,
    Ticket,
    checked_prompt,
    choose_seconds,
    classify_http_error,
    data_uri,
    price_estimate,
)
from nil_generator_runway import RunwayOptions

VERSION = "2024-11-06"
IMAGE_LIMIT = 5_000_000  # bytes of the data URI
MAX_PROMPT_LENGTH = 1000  # UTF-16 units
SEEDS = 2**32

PRICE_DATE = "2026-08-13"
USD_PER_CREDIT = 0.01
CREDITS_PER_SECOND = {"gen4_turbo": 5, "gen4.5": 12, "veo3.1": 20, "veo3.1_fast": 10}  # without sound
SECONDS = {"gen4": tuple(range(2, 11)), "veo3": (4, 6, 8)}

STATES = {
    "PENDING": State.QUEUED,
    "THROTTLED": State.QUEUED,  # too many tasks of this account run at once
    "RUNNING": State.RUNNING,
    "SUCCEEDED": State.DONE,
    "FAILED": State.FAILED,
    "CANCELLED": State.CANCELLED,
}
MODERATED = ("SAFETY", "INPUT_PREPROCESSING.SAFETY")


class Runway(HostedGenerator):
    """Image-to-video at Runway: takes a seed; only Veo takes a negative prompt."""

    name = "runway"
    page = "https://dev.runwayml.com"
    poll_seconds = 5.0  # the minimum that Runway asks for

    def __init__(self, options: RunwayOptions, clock: Clock | None = None) -> None:
        super().__init__(options, options.base_url, clock)
        self._options = options

    def order(self, request: GenerationRequest) -> Order:
        """One video, of the shortest length that covers the request.

        Raises:
            ConfigError: a negative prompt for a model that takes none, or too long a video or prompt.
        """
        options, model = self._options, self._options.model
        seconds = choose_seconds(f"runway {model}", SECONDS[model[:4]], request.seconds)
        width, height = options.size
        body: dict[str, Any] = {
            "model": model,
            "promptText": checked_prompt(request.prompt, MAX_PROMPT_LENGTH, "runway"),
            "ratio": f"{width}:{height}",
            "duration": seconds,
            "seed": request.seed % SEEDS,
        }
        if model.startswith("veo"):
            body["audio"] = False
        if request.negative_prompt:
            if not model.startswith("veo"):
                raise ConfigError(f"runway {model} takes no negative prompt", "leave it out, or use veo3.1")
            body["negativePrompt"] = request.negative_prompt
        return Order(
            model=model,
            body=body,
            frame=letterbox(request.first_frame, width, height, request.background),
            seconds=seconds,
            estimate=price_estimate(
                f"runway {model}", seconds, CREDITS_PER_SECOND[model] * USD_PER_CREDIT, PRICE_DATE, options.price
            ),
            seed=request.seed,
            seeded=True,
        )

    def headers(self) -> Mapping[str, str]:
        """The key, and the version of the API that this client is written for."""
        key = self.keys.get("RUNWAYML_API_SECRET").get_secret_value()
        return {"Authorization": f"Bearer {key}", "X-Runway-Version": VERSION}

    def create(self, connection: Connection, order: Order, name: str) -> Ticket:
        """Runway has no names for tasks."""
        content = {**order.body, "promptImage": data_uri(order.frame, IMAGE_LIMIT)}
        return {"id": connection.post("v1/image_to_video", json=content).require("id")}

    def poll(self, connection: Connection, ticket: Ticket) -> Status:
        """Every response has a new URL of the video; one is valid for a day or two."""
        response = connection.get(f"v1/tasks/{ticket['id']}")
        state = STATES.get(response.require("status"), State.RUNNING)
        code = response.find("failureCode") or ""
        if state is State.FAILED and code.startswith(MODERATED):
            state = State.MODERATED
        return Status(
            state,
            url=response.require("output", 0) if state is State.DONE else "",
            message=f"{response.find('failure') or ''} ({code})",
            progress=response.find("progress"),
            cost=response.find("cost"),
        )

    def classify_error(self, response: Response) -> ErrorResponse | None:
        """429 is the daily limit; too many tasks at once are no error but the status THROTTLED."""
        return classify_http_error(response, str(response.find("error") or response.text))
