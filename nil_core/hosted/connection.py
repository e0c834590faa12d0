"""HTTP requests to one service: signed, repeated where that is safe, with errors classified."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NoReturn

import httpx2

from nil_core.errors import ConfigError
from nil_core.hosted.client import checked, kind_of, open_client
from nil_core.hosted.clock import Clock
from nil_core.hosted.errors import (
    RETRYABLE,
    ErrorKind,
    ErrorResponse,
    NoResponseError,
    RejectedError,
    ServiceError,
)
from nil_core.hosted.redirects import Redirects, is_redirect, is_same_service
from nil_core.hosted.responses import Response, date, read, retry_after, web_page
from nil_core.hosted.words import brief, plain

MAX_TRIES = 6
"""Times that an order is sent to an unavailable service. A rate limit is waited out until the deadline."""

HINTS = {
    ErrorKind.KEY: "check the key and its permissions at {page}",
    ErrorKind.TOKEN: "this computer's clock is wrong; set it",
    ErrorKind.CREDIT: "add credit at {page}; what is ordered and paid is kept",
    ErrorKind.MODERATED: "say it in other words (--prompt), or choose another generator",
    ErrorKind.INVALID_REQUEST: "change the option it names; `nil plugins show {name}` lists the options",
    ErrorKind.NOT_FOUND: "check the model and the address; `nil plugins show {name}` lists the options",
    ErrorKind.REDIRECTED: "check generator.base_url, the proxy and the network",
    ErrorKind.PROXY: "check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY; NO_PROXY=HOST reaches a host without a proxy",
    ErrorKind.OTHER_SERVER: "log in to the network with a browser, or check HTTPS_PROXY and generator.base_url",
    ErrorKind.CERTIFICATE: "if a company or a proxy signs it: export SSL_CERT_FILE=FILE with their certificates",
}


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

    Attributes:
        between_orders: entered while an order that was not accepted waits to be sent again.
        order_left: whether the latest order, or a part of it, left this machine.

    Raises:
        ConfigError: the base URL is none, or an environment variable names a proxy or certificates that cannot be used.
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
        self._base = _url(base_url.rstrip("/") + "/")
        self._headers, self._redact = headers, redact
        self._classify_error, self._set_server_time = classify_error, set_server_time
        self._clock, self._seconds = clock, seconds
        self._end = clock.now() + seconds
        self._client = open_client()
        self.between_orders: Callable[[], AbstractContextManager[None]] = nullcontext
        self.order_left = False

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
        """A file in chunks, also behind redirects; the key is sent to the service's own host only.

        Raises:
            RejectedError: the redirects lead nowhere.
            httpx2.RequestError: the connection breaks.
        """
        target = self._target(url)
        redirects = Redirects(self._name, self._base, target, is_order=False)
        while True:
            sent = {**self._keys(target), "Accept-Encoding": "identity", **headers}
            with self._client.stream("GET", target, headers=sent) as response:
                if not response.has_redirect_location:
                    yield response
                    return
            target = redirects.follow(target, response.status_code, response.headers["location"])

    def _send(self, method: str, path: str, max_tries: int | None, **content: Any) -> Response:
        backoff = self.backoff()
        signed_again = False
        failures = 0
        while True:
            response, error = self._send_once(method, path, content)
            if error is None:
                return response
            if error.kind is ErrorKind.TOKEN and not signed_again and (now := date(response)) is not None:
                signed_again = True
                self._set_server_time(now)
                continue
            failures += error.kind is ErrorKind.UNAVAILABLE
            if error.kind not in RETRYABLE or (max_tries is not None and failures >= max_tries):
                self._raise(error)
            with self.between_orders() if method != "GET" else nullcontext():
                seconds = max(next(backoff), retry_after(response, self._clock.now()))
                self.pause(seconds, f"its response: {error.message}")

    def _send_once(self, method: str, path: str, content: dict[str, Any]) -> tuple[Response, ErrorResponse | None]:
        target = self._target(path)
        redirects = Redirects(self._name, self._base, target, is_order=method != "GET")
        while True:
            response, error = self._request(method, target, content)
            if error is not None or not is_redirect(response.status):
                break
            target = redirects.follow(target, response.status, response.headers.get("location", ""))
        error = error or _other_server(response, is_order=method != "GET") or self._classify_error(response)
        if error is not None:
            error = ErrorResponse(error.kind, self._clean(error.message) or f"HTTP {response.status}")
        return response, error

    def _request(
        self, method: str, target: httpx2.URL, content: dict[str, Any]
    ) -> tuple[Response, ErrorResponse | None]:
        """One request: the response, or what kept it from being sent.

        Raises:
            NoResponseError: an order left, and no response came that can be read.
        """
        is_order = method != "GET"
        if is_order:
            self.order_left = False

        def trace(event: str, info: Mapping[str, Any]) -> None:  # a proxy is first sent a request of its own, CONNECT
            begins = event.endswith("send_request_headers.started") and info["request"].method == method.encode()
            self.order_left |= is_order and begins

        try:
            response = self._client.request(
                method, target, headers=self._keys(target), extensions={"trace": trace}, **content
            )
        except httpx2.RequestError as failure:
            message = f"{type(failure).__name__}: {self._clean(str(failure))}"
            if is_order and self.order_left:
                raise NoResponseError(f"{self._name} gave no response to the order ({message})") from None
            return Response(0, {}), ErrorResponse(kind_of(failure), message)
        return read(response, self._redact), None

    def _raise(self, error: ErrorResponse) -> NoReturn:
        if error.kind in RETRYABLE:
            raise ServiceError(
                f"{self._name} fails: {error.message}", "nothing was ordered, nothing was paid; try again later"
            )
        hint = HINTS[error.kind].format(page=self._page, name=self._name)
        if error.kind in (ErrorKind.PROXY, ErrorKind.OTHER_SERVER, ErrorKind.CERTIFICATE):
            message = f"{self._name} cannot be reached ({error.kind}): {error.message}"
            raise RejectedError(message, hint, error.kind, error.message)
        raise RejectedError(f"{self._name} refuses ({error.kind}): {error.message}", hint, error.kind, error.message)

    def _target(self, path: str) -> httpx2.URL:
        try:
            return checked(self._base.join(path))
        except (httpx2.InvalidURL, TypeError):
            raise ServiceError(f"{self._name} gave an address that is none: {brief(str(path))}") from None

    def _keys(self, target: httpx2.URL) -> dict[str, str]:
        """The headers with the key, for the service's own host alone."""
        return dict(self._headers()) if is_same_service(self._base, target) else {}

    def _clean(self, text: str) -> str:
        """What may be shown of a text; keys go before it is cut, so that no piece of one is left."""
        return brief(self._redact(plain(text)))


def _other_server(response: Response, is_order: bool) -> ErrorResponse | None:
    """The error of a web page that came in place of the service's response."""
    page = web_page(response)
    if page is None:
        return None
    taken = "the order was not taken, and nothing is paid; " if is_order else ""
    return ErrorResponse(ErrorKind.OTHER_SERVER, f"{taken}a web page came instead of JSON: {page}")


def _url(text: str) -> httpx2.URL:
    try:
        return checked(httpx2.URL(text))
    except (httpx2.InvalidURL, ValueError) as error:
        raise ConfigError(
            f"generator.base_url is no URL: {brief(str(error))}", "https://HOST or https://HOST/PATH"
        ) from None
