"""Runway's tasks. Source: runwayml 5.24.0 and docs.dev.runwayml.com, as of 2026-08."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nil_core.api import ConfigError, GenerationRequest, letterbox
from nil_core.hosted import (
    Clock,
    Connection,
    HostedGenerator,
    Order,
    Reply,
    State,
    Status,
    Ticket,
    Verdict,
    data_uri,
    estimate,
    fitting_text,
    judge,
    ordered_seconds,
)
from nil_generator_runway import RunwayOptions

VERSION = "2024-11-06"
IMAGE_LIMIT = 5_000_000  # bytes of the data URI
LONGEST_PROMPT = 1000  # UTF-16 units
SEEDS = 2**32

DATED = "2026-08-13"
CREDIT = 0.01  # USD
CREDITS = {"gen4_turbo": 5, "gen4.5": 12, "veo3.1": 20, "veo3.1_fast": 10}  # per second, without sound
SECONDS = {"gen4": tuple(range(2, 11)), "veo3": (4, 6, 8)}

STATES = {
    "PENDING": State.QUEUED,
    "THROTTLED": State.QUEUED,  # held back: too many tasks of this account run at once
    "RUNNING": State.RUNNING,
    "SUCCEEDED": State.DONE,
    "FAILED": State.FAILED,
    "CANCELLED": State.CANCELLED,
}
MODERATED = ("SAFETY", "INPUT_PREPROCESSING.SAFETY")


class Runway(HostedGenerator):
    """Image-to-video at Runway: takes a seed; no negative prompt but for Veo."""

    name = "runway"
    page = "https://dev.runwayml.com"
    poll_seconds = 5.0  # the vendor's least

    def __init__(self, options: RunwayOptions, clock: Clock | None = None) -> None:
        super().__init__(options, options.base_url, clock)
        self._options = options

    def order(self, request: GenerationRequest) -> Order:
        """One video, of the shortest length that covers the request.

        Raises:
            ConfigError: a negative prompt for a model that takes none, or too long a video or prompt.
        """
        options, model = self._options, self._options.model
        seconds = ordered_seconds(f"runway {model}", SECONDS[model[:4]], request.seconds)
        width, height = options.size
        body: dict[str, Any] = {
            "model": model,
            "promptText": fitting_text(request.prompt, LONGEST_PROMPT, "runway"),
            "ratio": f"{width}:{height}",
            "duration": seconds,
            "seed": request.seed % SEEDS,
        }
        if model.startswith("veo"):
            body["audio"] = False
        if request.negative_prompt:
            if not model.startswith("veo"):
                raise ConfigError(f"runway {model} takes no negative prompt", "leave it out, or take veo3.1")
            body["negativePrompt"] = request.negative_prompt
        return Order(
            model=model,
            body=body,
            frame=letterbox(request.first_frame, width, height, request.background),
            seconds=seconds,
            estimate=estimate(f"runway {model}", seconds, CREDITS[model] * CREDIT, DATED, options.price),
            seed=request.seed,
            seeded=True,
        )

    def headers(self) -> Mapping[str, str]:
        """The key, and the version of the interface that this file is written for."""
        key = self.keys.get("RUNWAYML_API_SECRET").get_secret_value()
        return {"Authorization": f"Bearer {key}", "X-Runway-Version": VERSION}

    def create(self, connection: Connection, order: Order, name: str) -> Ticket:
        """Runway has no names for tasks."""
        content = {**order.body, "promptImage": data_uri(order.frame, IMAGE_LIMIT)}
        return {"id": connection.post("v1/image_to_video", json=content).need("id")}

    def look(self, connection: Connection, ticket: Ticket) -> Status:
        """Every answer has a fresh address of the video; one lives a day or two."""
        reply = connection.get(f"v1/tasks/{ticket['id']}")
        state = STATES.get(reply.need("status"), State.RUNNING)
        code = reply.find("failureCode") or ""
        if state is State.FAILED and code.startswith(MODERATED):
            state = State.MODERATED
        return Status(
            state,
            url=reply.need("output", 0) if state is State.DONE else "",
            words=f"{reply.find('failure') or ''} ({code})",
            progress=reply.find("progress"),
            cost=reply.find("cost"),
        )

    def judge(self, reply: Reply) -> Verdict | None:
        """429 is a day's limit; too many tasks at once are no error here but THROTTLED."""
        return judge(reply, str(reply.find("error") or reply.text))
