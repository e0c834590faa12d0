"""What Kling's two APIs share.

Source: the vendor's pages on image-to-video and on error codes, as of 2026-08.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from nil_core.api import GenerationRequest, letterbox
from nil_core.hosted import (
    Clock,
    ErrorKind,
    ErrorResponse,
    HostedGenerator,
    Order,
    Response,
    State,
    Status,
    checked_prompt,
    choose_seconds,
    classify_http_error,
    mentions_moderation,
    price_estimate,
)
from nil_generator_kling import KlingOptions
from nil_generator_kling.models import MODELS, PRICE_DATE

IMAGE_LIMIT = 10_000_000  # bytes
MAX_PROMPT_LENGTH = 2500  # characters
SIDES = {"std": 720, "pro": 1080}  # of the square first frame that is sent, pixels; the service accepts 300 or more
USD_PER_UNIT = 0.14  # price of the service's billing unit

STATES = {
    "submitted": State.QUEUED,
    "processing": State.RUNNING,
    "succeed": State.DONE,  # legacy
    "succeeded": State.DONE,  # API 2.0
    "failed": State.FAILED,
}
CODES = {
    1003: ErrorKind.TOKEN,
    1004: ErrorKind.TOKEN,
    1100: ErrorKind.KEY,
    1101: ErrorKind.CREDIT,
    1102: ErrorKind.CREDIT,
    1103: ErrorKind.KEY,
    1203: ErrorKind.NOT_FOUND,
    1300: ErrorKind.MODERATED,
    1301: ErrorKind.MODERATED,
    1302: ErrorKind.RATE_LIMIT,
    1303: ErrorKind.RATE_LIMIT,
    1304: ErrorKind.KEY,
}


class Kling(HostedGenerator):
    """Image-to-video at Kling: the aspect follows the image, which is sent square; there is no seed.

    Our name for a task (``external_task_id``) is unique in an account, and the task can be found by it.
    """

    name = "kling"
    page = "https://app.klingai.com/global/dev"
    findable = True

    def __init__(self, options: KlingOptions, clock: Clock | None = None) -> None:
        super().__init__(options, options.base_url, clock)
        self._options = options

    @abstractmethod
    def body(self, request: GenerationRequest, seconds: int) -> dict[str, Any]:
        """What is sent, without first frame and name."""

    def order(self, request: GenerationRequest) -> Order:
        """One video, of the shortest length that covers the request."""
        model, mode = self._options.model, self._options.mode
        offer = MODELS[model]
        seconds = choose_seconds(f"kling {model}", offer.seconds, request.seconds)
        price = offer.std if mode == "std" else offer.pro
        for text in (request.prompt, request.negative_prompt):
            checked_prompt(text, MAX_PROMPT_LENGTH, "kling")
        return Order(
            model=model,
            body=self.body(request, seconds),
            frame=letterbox(request.first_frame, SIDES[mode], SIDES[mode], request.background),
            seconds=seconds,
            estimate=price_estimate(f"kling {model} {mode}", seconds, price, PRICE_DATE, self._options.price),
            seed=request.seed,
        )

    def classify_error(self, response: Response) -> ErrorResponse | None:
        """The code in the body decides: HTTP 200 may be an error, and 429 has five meanings."""
        code = response.find("code")
        message = f"{response.find('message') or response.text} (code {code})"
        if code in CODES:
            return ErrorResponse(CODES[code], message)
        if isinstance(code, int) and code != 0 and response.status < 400:
            return ErrorResponse(ErrorKind.UNAVAILABLE if 5000 <= code < 6000 else ErrorKind.INVALID_REQUEST, message)
        return classify_http_error(response, message)


def status_of(task_status: str, url: str | None, message: str, charged: Any) -> Status:
    """The status of a task from the fields of a response; only the message of a failed task tells of moderation."""
    state = STATES.get(task_status, State.RUNNING)
    if state is State.FAILED and mentions_moderation(message):
        state = State.MODERATED
    cost = None if charged is None else {"units": charged, "usd_per_unit": USD_PER_UNIT}
    return Status(state, url=url or "", message=message, cost=cost)
