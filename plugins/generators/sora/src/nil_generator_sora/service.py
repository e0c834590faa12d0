"""OpenAI's ``/videos``. Source: openai 3.54.0, where all its methods are deprecated."""

from __future__ import annotations

from collections.abc import Mapping

from nil_core.api import ConfigError, GenerationRequest, letterbox
from nil_core.hosted import (
    Clock,
    Connection,
    ErrorKind,
    ErrorResponse,
    HostedGenerator,
    Order,
    Response,
    State,
    Status,
    Ticket,
    choose_seconds,
    classify_http_error,
    mentions_moderation,
    png,
    price_estimate,
)
from nil_generator_sora import SoraOptions

SECONDS = (4, 8, 12)
STATES = {
    "queued": State.QUEUED,
    "in_progress": State.RUNNING,
    "completed": State.DONE,
    "failed": State.FAILED,
}
CODES = {
    "insufficient_quota": ErrorKind.CREDIT,
    "rate_limit_exceeded": ErrorKind.RATE_LIMIT,
    "moderation_blocked": ErrorKind.MODERATED,
    "content_policy_violation": ErrorKind.MODERATED,
}


class Sora(HostedGenerator):
    """Image-to-video by Sora's protocol: the image has exactly the size of the video; no seed, no negative prompt."""

    name = "sora"
    page = "the service's own page"

    def __init__(self, options: SoraOptions, clock: Clock | None = None) -> None:
        """Raises ConfigError without a URL."""
        if options.base_url is None:
            raise ConfigError(
                "OpenAI shut Sora down on 2026-09-24 (the app on 2026-04-26), and named no successor",
                "use another generator, or a service with the same protocol: --set generator.base_url=https://...",
            )
        super().__init__(options, options.base_url, clock)
        self._options = options

    def order(self, request: GenerationRequest) -> Order:
        """One video, of the shortest length that covers the request.

        Raises:
            ConfigError: a negative prompt, or too long a video.
        """
        options = self._options
        if request.negative_prompt:
            raise ConfigError("sora takes no negative prompt", "leave it out")
        seconds = choose_seconds(f"sora {options.model}", SECONDS, request.seconds)
        width, height = map(int, options.size.split("x"))
        return Order(
            model=options.model,
            body={"model": options.model, "prompt": request.prompt, "seconds": str(seconds), "size": options.size},
            frame=letterbox(request.first_frame, width, height, request.background),
            seconds=seconds,
            estimate=price_estimate(f"sora {options.model}", seconds, None, "", options.price),
            seed=request.seed,
        )

    def headers(self) -> Mapping[str, str]:
        """A separate key, so that a key for OpenAI is never sent to another service."""
        return {"Authorization": f"Bearer {self.keys.get('SORA_API_KEY').get_secret_value()}"}

    def create(self, connection: Connection, order: Order, name: str) -> Ticket:
        """The order is a form with a file."""
        image = ("first_frame.png", png(order.frame), "image/png")
        return {"id": connection.post("videos", data=dict(order.body), files={"input_reference": image}).require("id")}

    def poll(self, connection: Connection, ticket: Ticket) -> Status:
        """The URL of the video is below that of the task, and needs the same key."""
        response = connection.get(f"videos/{ticket['id']}")
        state = STATES.get(response.require("status"), State.RUNNING)
        code, message = response.find("error", "code") or "", response.find("error", "message") or ""
        if state is State.FAILED and (CODES.get(code) is ErrorKind.MODERATED or mentions_moderation(message)):
            state = State.MODERATED
        progress, wait = response.find("progress"), response.headers.get("openai-poll-after-ms", "0")
        return Status(
            state,
            url=f"videos/{ticket['id']}/content",
            message=f"{message} ({code})",
            progress=None if progress is None else progress / 100,
            wait=float(wait) / 1000 if wait.isdecimal() else 0.0,
        )

    def classify_error(self, response: Response) -> ErrorResponse | None:
        """The error code tells an empty account from a rate limit."""
        message = response.find("error", "message") or response.text
        code = response.find("error", "code") or ""
        return (
            ErrorResponse(CODES[code], message)
            if response.status >= 400 and code in CODES
            else classify_http_error(response, message)
        )
