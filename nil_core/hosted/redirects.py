"""Where a redirect leads, and whether it is followed: an order and a key never go to a host that nobody named."""

from __future__ import annotations

from typing import NoReturn

import httpx2

from nil_core.errors import quoted
from nil_core.hosted.errors import ErrorKind, RejectedError
from nil_core.hosted.options import is_address
from nil_core.hosted.words import brief

MAX_REDIRECTS = 5
SAME_REQUEST = (307, 308)
"""Statuses of a redirect that asks for the same request again (RFC 9110, section 15.4); others turn it into a GET."""


def is_redirect(status: int) -> bool:
    """Whether a response sends the client elsewhere, or says that nothing was done."""
    return 300 <= status < 400


def is_same_service(base: httpx2.URL, url: httpx2.URL) -> bool:
    """Whether the key may be sent to a URL: it is at the origin of the service, or at its host by https.

    Args:
        base: of the service.
        url: any.
    """
    if (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port):
        return True
    return url.scheme == "https" and url.host == base.host and url.port is None and base.port is None


class Redirects:
    """The redirects of one request.

    Args:
        name: of the generator, for messages.
        base: URL of the service.
        requested: the URL that was requested at first.
    """

    def __init__(self, name: str, base: httpx2.URL, requested: httpx2.URL) -> None:
        self._name, self._base, self._requested = name, base, requested
        self._left = MAX_REDIRECTS

    def next_order(self, source: httpx2.URL, status: int, location: str) -> httpx2.URL:
        """Where to send an order again that the service sent on; it was not taken.

        Args:
            source: that redirects.
            status: of the response.
            location: the header Location.

        Raises:
            RejectedError: it is not the same request, or it leads away from the service.
        """
        target = self._next(source, status, location, "the order")
        if status not in SAME_REQUEST or not is_same_service(self._base, target):
            self._refuse(f"sends the order on to {_shown(target)} (HTTP {status}); it was not taken", target)
        return target

    def next_page(self, source: httpx2.URL, status: int, location: str) -> httpx2.URL:
        """Where to look for what is requested by GET. Arguments are those of :meth:`next_order`.

        Raises:
            RejectedError: the redirects do not end, or lead to no address, or from https to http.
        """
        target = self._next(source, status, location, "a request")
        if target.scheme not in ("https", source.scheme):
            self._refuse(f"sends a request on to {_shown(target)}, which is not encrypted", target)
        return target

    def _next(self, source: httpx2.URL, status: int, location: str, what: str) -> httpx2.URL:
        self._left -= 1
        if self._left < 0:
            self._refuse(f"sends {what} on again and again (HTTP {status}); it was not taken", None)
        try:
            target = source.join(location)
        except httpx2.InvalidURL:
            location = ""
        if not location or target.scheme not in ("http", "https") or not target.host:
            self._refuse(f"sends {what} on, but to no address (HTTP {status}); it was not taken", None)
        return target

    def _refuse(self, problem: str, target: httpx2.URL | None) -> NoReturn:
        moved = self._moved_base(target) if target is not None else ""
        hint = f"if you trust this address: --set generator.base_url={quoted(moved)}" if moved else ""
        raise RejectedError(
            f"{self._name} {problem}", hint or "check generator.base_url, the proxy and the network", ErrorKind.REDIRECTED
        )

    def _moved_base(self, target: httpx2.URL) -> str:
        """The base URL with which the request would have gone to the target at once; empty if there is none."""
        path, moved = str(self._requested).removeprefix(str(self._base)), _shown(target)
        base = moved.removesuffix(path).rstrip("/")
        is_elsewhere = moved.endswith(f"/{path}") and base != str(self._base).rstrip("/")
        return base if is_elsewhere and is_address(base) else ""


def _shown(url: httpx2.URL) -> str:
    """Without user, password and query, which may hold secrets."""
    return brief(str(url.copy_with(username=None, password=None, query=None, fragment=None)))
