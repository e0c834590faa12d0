"""HTTP requests to one service: signed, repeated where that is safe, with errors classified."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

import httpx2

from nil_core.hosted.clock import Clock
from nil_core.hosted.errors import (
    RETRYABLE,
    ErrorKind,
    ErrorResponse,
    NoResponseError,
    RejectedError,
    ServiceError,
)

MAX_TRIES = 6
"""Times that an order is sent to an unavailable service. A rate limit is waited out until the deadline."""

TIMEOUT = httpx2.Timeout(30.0, read=120.0)  # s; orders carry an image

_CREDIT_WORDS = re.compile(r"credit|balance|insufficient|quota|arrears|billing|top up", re.IGNORECASE)
_MODERATION_WORDS = re.compile(r"moderat|polic(y|ies)|safety|sensitive|prohibited|risk control", re.IGNORECASE)

HINTS = {
    ErrorKind.KEY: "check the key and its permissions at {page}",
    ErrorKind.TOKEN: "this computer's clock is wrong; set it",
    ErrorKind.CREDIT: "add credit at {page}; what is ordered and paid is kept",
    ErrorKind.MODERATED: "say it in other words (--prompt), or choose another generator",
    ErrorKind.INVALID_REQUEST: "change the option it names; `nil plugins show {name}` lists the options",
    ErrorKind.NOT_FOUND: "check the model and the address; `nil plugins show {name}` lists the options",
}


@dataclass(frozen=True)
class Response:
    """A response that was read completely.

    Attributes:
        status: HTTP status.
        body: the JSON object, else ``{}``.
        text: the whole text.
        headers: names in lower case.
    """

    status: int
    body: Mapping[str, Any]
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def find(self, *path: str | int) -> Any:
        """The value at a path of keys and indices, None if there is none."""
        value: Any = self.body
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def require(self, *path: str | int) -> str:
        """The text at a path: an id, a state, a URL.

        Raises:
            NoResponseError: there is none, so the service uses another protocol.
        """
        value = self.find(*path)
        if not isinstance(value, str):
            where = ".".join(map(str, path))
            raise NoResponseError(
                f"a response of the service lacks {where}: {brief(self.text)}", "check generator.base_url"
            )
        return value


def classify_http_error(response: Response, message: str) -> ErrorResponse | None:
    """What the HTTP status means in most services; the message tells an empty account from a rate limit.

    Args:
        response: any.
        message: the service's explanation.

    Returns:
        None for a success.
    """
    status = response.status
    if status < 400:
        return None
    if status == 402 or (status in (400, 403, 429) and _CREDIT_WORDS.search(message)):
        return ErrorResponse(ErrorKind.CREDIT, message)
    if status in (400, 403, 422) and mentions_moderation(message):
        return ErrorResponse(ErrorKind.MODERATED, message)
    if status in (401, 403):
        return ErrorResponse(ErrorKind.KEY, message)
    if status in (404, 410):
        return ErrorResponse(ErrorKind.NOT_FOUND, message)
    if status == 429:
        return ErrorResponse(ErrorKind.RATE_LIMIT, message)
    if status >= 500 or status == 408:
        return ErrorResponse(ErrorKind.UNAVAILABLE, message)
    return ErrorResponse(ErrorKind.INVALID_REQUEST, message)


def mentions_moderation(message: str) -> bool:
    """Whether a service's message mentions moderation; some services give no other sign of it."""
    return bool(_MODERATION_WORDS.search(message))


class Connection:
    """Requests to one service, within one deadline.

    Args:
        name: of the generator, for messages.
        page: where a person manages key and credit.
        base_url: what paths are appended to; the key is sent to this host only.
        headers: makes the headers that carry the key; called for every request.
        classify_error: what a response means: None for a success.
        set_server_time: called with the server's time (s since 1970) when it rejects a signed token as too old or too
            new.
        redact: removes keys from a text.
        clock: time.
        seconds: until the deadline.
    """

    def __init__(
        self,
        name: str,
        page: str,
        base_url: str,
        headers: Callable[[], Mapping[str, str]],
        classify_error: Callable[[Response], ErrorResponse | None],
        set_server_time: Callable[[float], None],
        redact: Callable[[str], str],
        clock: Clock,
        seconds: float,
    ) -> None:
        self._name, self._page = name, page
        self._base = httpx2.URL(base_url.rstrip("/") + "/")
        self._headers, self._redact = headers, redact
        self._classify_error, self._set_server_time = classify_error, set_server_time
        self._clock, self._seconds = clock, seconds
        self._end = clock.now() + seconds
        self._client = httpx2.Client(timeout=TIMEOUT)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str) -> Response:
        """Send a GET request; retryable errors are waited out until the deadline.

        Args:
            path: below the base URL, or a whole URL that the service gave.

        Raises:
            RejectedError, ServiceError: with the service's message.
        """
        return self._send("GET", path, None)

    def post(self, path: str, **content: Any) -> Response:
        """Send an order; sent again only where it was certainly not accepted.

        Args:
            path: as in :meth:`get`.
            content: ``json``, or ``data`` and ``files``, as httpx has them.

        Raises:
            RejectedError, ServiceError: with the service's message.
            NoResponseError: it is unknown whether the order was accepted.
        """
        return self._send("POST", path, MAX_TRIES, **content)

    def backoff(self) -> Iterator[float]:
        """Growing pauses, s."""
        return self._clock.backoff(1.0)

    def pause(self, seconds: float, reason: str) -> None:
        """Sleep, unless that would pass the deadline.

        Raises:
            ServiceError: it would.
        """
        if self._clock.now() + seconds > self._end:
            raise ServiceError(
                f"{self._name} has not finished within generator.deadline={self._seconds:g} s ({reason})",
                f"the same command goes on, paying nothing twice; or --set generator.deadline={2 * self._seconds:g}",
            )
        self._clock.sleep(seconds)

    @contextmanager
    def stream(self, url: str, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        """A file in chunks; the key is sent to the service's own host only."""
        target = self._base.join(url)
        keys = self._headers() if self._is_base_host(target) else {}
        headers = {**keys, "Accept-Encoding": "identity", **headers}
        with self._client.stream("GET", target, headers=headers, follow_redirects=True) as response:
            yield response

    def _send(self, method: str, path: str, max_tries: int | None, **content: Any) -> Response:
        backoff = self.backoff()
        signed_again = False
        failures = 0
        while True:
            response, error = self._send_once(method, path, content)
            if error is None:
                return response
            if error.kind is ErrorKind.TOKEN and not signed_again and (now := _date(response)) is not None:
                signed_again = True
                self._set_server_time(now)
                continue
            failures += error.kind is ErrorKind.UNAVAILABLE
            if error.kind not in RETRYABLE or (max_tries is not None and failures >= max_tries):
                self._raise(error)
            self.pause(max(next(backoff), _retry_after(response, self._clock.now())), f"its response: {error.message}")

    def _send_once(self, method: str, path: str, content: dict[str, Any]) -> tuple[Response, ErrorResponse | None]:
        target = self._base.join(path)
        headers = dict(self._headers()) if self._is_base_host(target) else {}
        try:
            response = _read(self._client.request(method, target, headers=headers, **content))
        except httpx2.TransportError as failure:
            message = f"{type(failure).__name__}: {self._redact(str(failure))}"
            if method != "GET" and not isinstance(failure, httpx2.ConnectError | httpx2.ConnectTimeout):
                raise NoResponseError(f"{self._name} gave no response to the order ({message})") from None
            return Response(0, {}), ErrorResponse(ErrorKind.UNAVAILABLE, message)
        error = self._classify_error(response)
        if error is not None:
            error = ErrorResponse(error.kind, brief(self._redact(error.message)) or f"HTTP {response.status}")
        return response, error

    def _raise(self, error: ErrorResponse) -> NoReturn:
        if error.kind in RETRYABLE:
            raise ServiceError(
                f"{self._name} fails: {error.message}", "nothing was ordered, nothing was paid; try again later"
            )
        hint = HINTS[error.kind].format(page=self._page, name=self._name)
        raise RejectedError(f"{self._name} refuses ({error.kind}): {error.message}", hint, error.kind, error.message)

    def _is_base_host(self, url: httpx2.URL) -> bool:
        return (url.scheme, url.host, url.port) == (self._base.scheme, self._base.host, self._base.port)


def brief(text: str) -> str:
    """One line of at most 300 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:299]}…"


def _read(response: httpx2.Response) -> Response:
    try:
        body = response.json()
    except ValueError:
        body = {}
    return Response(
        response.status_code, body if isinstance(body, dict) else {"list": body}, response.text, dict(response.headers)
    )


def _date(response: Response) -> float | None:
    return _timestamp(response.headers.get("date", ""))


def _retry_after(response: Response, now: float) -> float:
    """Seconds to wait, 0 if not given: the header holds a number or a date (RFC 9110, section 10.2.3)."""
    value = response.headers.get("retry-after", "")
    if value.strip().isdecimal():
        return float(value)
    moment = _timestamp(value)
    return max(0.0, moment - now) if moment is not None else 0.0


def _timestamp(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
