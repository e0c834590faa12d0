"""Where a redirect leads, and whether it is followed: an order and a key never go to a host that nobody named."""

from __future__ import annotations

import shlex
from typing import NoReturn

import httpx2

from nil_core.hosted.client import checked
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
        is_order: whether it costs money; a GET else.
    """

    def __init__(self, name: str, base: httpx2.URL, requested: httpx2.URL, is_order: bool) -> None:
        self._name, self._base, self._requested, self._is_order = name, base, requested, is_order
        self._left = MAX_REDIRECTS

    def follow(self, source: httpx2.URL, status: int, location: str) -> httpx2.URL:
        """The URL to send the request to instead; what was redirected was not taken.

        Args:
            source: that redirects.
            status: of its response.
            location: the header Location.

        Raises:
            RejectedError: it leads nowhere; or a GET from https to http; or an order to another service, or to
                a page to look at.
        """
        self._left -= 1
        if self._left < 0:
            self._refuse("again and again", status)
        try:
            target = checked(source.join(location))
        except httpx2.InvalidURL:
            location = ""
        if not location or target.scheme not in ("http", "https") or not target.host:
            self._refuse("to no address", status)
        if self._is_order:
            is_safe = status in SAME_REQUEST and is_same_service(self._base, target)
        else:
            is_safe = target.scheme in ("https", source.scheme)
        if not is_safe:
            self._refuse(f"to {_shown(target)}", status, self._moved_base(target))
        return target

    def _refuse(self, where: str, status: int, moved: str = "") -> NoReturn:
        what = "the order" if self._is_order else "a request"
        taken = "; it was not taken, and nothing is paid" if self._is_order else ""
        trust = f"if you trust this address: --set generator.base_url={shlex.quote(moved)}"
        hint = trust if moved else "check generator.base_url, the proxy and the network"
        raise RejectedError(f"{self._name} sends {what} on {where} (HTTP {status}){taken}", hint, ErrorKind.REDIRECTED)

    def _moved_base(self, target: httpx2.URL) -> str:
        """The base URL with which the request would have gone to the target at once; empty if there is none."""
        path, moved = str(self._requested).removeprefix(str(self._base)), _shown(target)
        base = moved.removesuffix(path).rstrip("/")
        is_elsewhere = moved.endswith(f"/{path}") and base != str(self._base).rstrip("/")
        return base if is_elsewhere and is_address(base) else ""


def _shown(url: httpx2.URL) -> str:
    """Without user, password and query, which may hold secrets."""
    return brief(str(url.copy_with(username=None, password=None, query=None, fragment=None)))
