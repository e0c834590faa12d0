"""Responses of services: what was read, and what its HTTP status means in most of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from nil_core.hosted.errors import ErrorKind, ErrorResponse, NoResponseError
from nil_core.hosted.words import brief, readable

_CREDIT_WORDS = re.compile(r"credit|balance|insufficient|quota|arrears|billing|top up", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_HTML_START = ("<!doctype html", "<html")
_HTML_TYPES = ("text/html", "application/xhtml+xml")
_MODERATION_WORDS = re.compile(r"moderat|polic(y|ies)|safety|sensitive|prohibited|risk control", re.IGNORECASE)


@dataclass(frozen=True)
class Response:
    """A response that was read completely.

    Attributes:
        status: HTTP status.
        body: the JSON object, else ``{}``.
        text: the whole text without keys; a remark if the body is the bytes of a file.
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
    if status == 407:
        return ErrorResponse(ErrorKind.PROXY, message)
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


def web_page(response: Response) -> str | None:
    """The title, or else the text, of a web page with the status of a success; None for every other response.

    Services answer in JSON: such a page is of a proxy, or the login page of a network.
    """
    text = response.text.strip("\ufeff \t\r\n")
    is_html = response.headers.get("content-type", "").startswith(_HTML_TYPES) or text.lower().startswith(_HTML_START)
    if response.status >= 400 or response.body or not text or not is_html:
        return None
    title = _TITLE.search(text)
    return title[1] if title else text


def read(response: httpx2.Response, redact: Callable[[str], str]) -> Response:
    """A response of the client.

    Args:
        response: read completely.
        redact: removes keys from its text.
    """
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = {}
    text = readable(response.text, len(response.content), response.headers.get("content-type", ""))
    return Response(
        response.status_code, body if isinstance(body, dict) else {"list": body}, redact(text), dict(response.headers)
    )


def date(response: Response) -> float | None:
    """The server's time, s since 1970; None if it does not say."""
    return _timestamp(response.headers.get("date", ""))


def retry_after(response: Response, now: float) -> float:
    """Seconds to wait, 0 if not given: the header holds a number or a date (RFC 9110, section 10.2.3)."""
    value = response.headers.get("retry-after", "")
    if value.strip().isdecimal():
        return float(value)
    moment = _timestamp(value)
    return max(0.0, moment - now) if moment is not None else 0.0


def _timestamp(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
