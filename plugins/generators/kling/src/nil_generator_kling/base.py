"""What Kling's two protocols share.

Source: the vendor's pages on image-to-video and on error codes, as of 2026-08.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from nil_core.api import GenerationRequest, letterbox
from nil_core.hosted import (
    Clock,
    HostedGenerator,
    Order,
    Reply,
    State,
    Status,
    Trouble,
    Verdict,
    estimate,
    fitting_text,
    judge,
    ordered_seconds,
    unseemly,
)
from nil_generator_kling import KlingOptions
from nil_generator_kling.models import DATED, MODELS

IMAGE_LIMIT = 10_000_000  # bytes
LONGEST_PROMPT = 2500  # characters
SIDES = {"std": 720, "pro": 1080}  # pixels of the square that is sent; the service takes 300 or more
UNITS = 0.14  # USD that one of the units costs in which the service accounts

STATES = {
    "submitted": State.QUEUED,
    "processing": State.RUNNING,
    "succeed": State.DONE,  # legacy
    "succeeded": State.DONE,  # API 2.0
    "failed": State.FAILED,
}
CODES = {
    1003: Trouble.TOKEN,
    1004: Trouble.TOKEN,
    1100: Trouble.KEY,
    1101: Trouble.CREDIT,
    1102: Trouble.CREDIT,
    1103: Trouble.KEY,
    1203: Trouble.MISSING,
    1300: Trouble.MODERATED,
    1301: Trouble.MODERATED,
    1302: Trouble.SLOW_DOWN,
    1303: Trouble.SLOW_DOWN,
    1304: Trouble.KEY,
}


class Kling(HostedGenerator):
    """Image-to-video at Kling: the aspect follows the image, which is sent square; there is no seed.

    Our name for a task (``external_task_id``) is unique in an account, and finds it again.
    """

    name = "kling"
    page = "https://app.klingai.com/global/dev"
    findable = True

    def __init__(self, options: KlingOptions, clock: Clock | None = None) -> None:
        super().__init__(options, options.base_url, clock)
        self._options = options

    @abstractmethod
    def body(self, request: GenerationRequest, seconds: int) -> dict[str, Any]:
        """What is sent, less first frame and name."""

    def order(self, request: GenerationRequest) -> Order:
        """One video, of the shortest length that covers the request."""
        model, mode = self._options.model, self._options.mode
        sold = MODELS[model]
        seconds = ordered_seconds(f"kling {model}", sold.seconds, request.seconds)
        price = sold.std if mode == "std" else sold.pro
        for text in (request.prompt, request.negative_prompt):
            fitting_text(text, LONGEST_PROMPT, "kling")
        return Order(
            model=model,
            body=self.body(request, seconds),
            frame=letterbox(request.first_frame, SIDES[mode], SIDES[mode], request.background),
            seconds=seconds,
            estimate=estimate(f"kling {model} {mode}", seconds, price, DATED, self._options.price),
            seed=request.seed,
        )

    def judge(self, reply: Reply) -> Verdict | None:
        """The body's code decides; it may be an error at HTTP 200, and 429 has five meanings."""
        code = reply.find("code")
        words = f"{reply.find('message') or reply.text} (code {code})"
        if code in CODES:
            return Verdict(CODES[code], words)
        if isinstance(code, int) and code != 0 and reply.status < 400:
            return Verdict(Trouble.BUSY if 5000 <= code < 6000 else Trouble.INVALID, words)
        return judge(reply, words)


def status_of(word: str, url: str | None, words: str, charged: Any) -> Status:
    """A task's state from the service's words; failed ones say in their message that they were moderated."""
    state = STATES.get(word, State.RUNNING)
    if state is State.FAILED and unseemly(words):
        state = State.MODERATED
    cost = None if charged is None else {"units": charged, "usd_per_unit": UNITS}
    return Status(state, url=url or "", words=words, cost=cost)
