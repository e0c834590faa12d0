"""OpenAI's ``/videos``. Source: openai 3.54.0, in which every method of it is marked as retired."""

from __future__ import annotations

from collections.abc import Mapping

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
    Trouble,
    Verdict,
    estimate,
    judge,
    ordered_seconds,
    png,
    unseemly,
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
    "insufficient_quota": Trouble.CREDIT,
    "rate_limit_exceeded": Trouble.SLOW_DOWN,
    "moderation_blocked": Trouble.MODERATED,
    "content_policy_violation": Trouble.MODERATED,
}


class Sora(HostedGenerator):
    """Image-to-video by Sora's protocol: the image has exactly the video's size; no seed, no negative prompt."""

    name = "sora"
    page = "the service's own page"

    def __init__(self, options: SoraOptions, clock: Clock | None = None) -> None:
        """Raises ConfigError without an address."""
        if options.base_url is None:
            raise ConfigError(
                "OpenAI shut Sora down on 2026-09-24 (the app on 2026-04-26), and named no successor",
                "take another generator, or a service that speaks its protocol: --set generator.base_url=https://...",
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
        seconds = ordered_seconds(f"sora {options.model}", SECONDS, request.seconds)
        width, height = map(int, options.size.split("x"))
        return Order(
            model=options.model,
            body={"model": options.model, "prompt": request.prompt, "seconds": str(seconds), "size": options.size},
            frame=letterbox(request.first_frame, width, height, request.background),
            seconds=seconds,
            estimate=estimate(f"sora {options.model}", seconds, None, "", options.price),
            seed=request.seed,
        )

    def headers(self) -> Mapping[str, str]:
        """A key of its own: one for OpenAI has no business at somebody else's address."""
        return {"Authorization": f"Bearer {self.keys.get('SORA_API_KEY').get_secret_value()}"}

    def create(self, connection: Connection, order: Order, name: str) -> Ticket:
        """A form with a file."""
        image = ("first_frame.png", png(order.frame), "image/png")
        return {"id": connection.post("videos", data=dict(order.body), files={"input_reference": image}).need("id")}

    def look(self, connection: Connection, ticket: Ticket) -> Status:
        """The video lies below the task, behind the same key."""
        reply = connection.get(f"videos/{ticket['id']}")
        state = STATES.get(reply.need("status"), State.RUNNING)
        code, message = reply.find("error", "code") or "", reply.find("error", "message") or ""
        if state is State.FAILED and (CODES.get(code) is Trouble.MODERATED or unseemly(message)):
            state = State.MODERATED
        progress, wait = reply.find("progress"), reply.headers.get("openai-poll-after-ms", "0")
        return Status(
            state,
            url=f"videos/{ticket['id']}/content",
            words=f"{message} ({code})",
            progress=None if progress is None else progress / 100,
            wait=float(wait) / 1000 if wait.isdecimal() else 0.0,
        )

    def judge(self, reply: Reply) -> Verdict | None:
        """The error's code tells an empty account from too much haste."""
        words = reply.find("error", "message") or reply.text
        code = reply.find("error", "code") or ""
        return Verdict(CODES[code], words) if reply.status >= 400 and code in CODES else judge(reply, words)
