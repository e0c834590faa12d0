"""The HTTP client: with the proxies and certificates of the environment, and its failures classified."""

from __future__ import annotations

import re
import ssl
from typing import Any

import httpx2

from nil_core import network
from nil_core.errors import ConfigError
from nil_core.hosted.errors import ErrorKind

TIMEOUT = httpx2.Timeout(30.0, read=120.0)  # s; orders carry an image
CERTIFICATE_VARIABLES = (*network.CERTIFICATE_VARIABLES, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def open_client() -> httpx2.Client:
    """A client that uses the proxies and certificates of the environment.

    Raises:
        ConfigError: they cannot be used.
    """
    network.check_proxies()
    certificates: ssl.SSLContext | bool = network.certificates(CERTIFICATE_VARIABLES) or True
    try:
        return _Client(timeout=TIMEOUT, verify=certificates)
    except (httpx2.InvalidURL, ValueError, ImportError):  # its words may hold a part of a password
        names = "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY or NO_PROXY"
        raise ConfigError(
            f"{names} cannot be used", "correct them, or: unset HTTPS_PROXY HTTP_PROXY ALL_PROXY"
        ) from None


class _Client(httpx2.Client):
    """A client to which a server that is no SOCKS proxy is a proxy that fails; httpx lets other errors out."""

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        try:
            return super().send(request, **options)
        except Exception as error:
            if isinstance(error, AssertionError) or type(error).__module__.partition(".")[0] == "socksio":
                raise httpx2.ProxyError("it does not answer as a SOCKS5 proxy", request=request) from error
            raise


def kind_of(failure: httpx2.RequestError) -> ErrorKind:
    """Why nothing was sent; a proxy that answers 5xx may serve the next request."""
    if "CERTIFICATE_VERIFY_FAILED" in str(failure):
        return ErrorKind.CERTIFICATE
    if isinstance(failure, httpx2.ProxyError) and not re.match(r"5\d\d", str(failure)):
        return ErrorKind.PROXY
    return ErrorKind.UNAVAILABLE


def checked(url: httpx2.URL) -> httpx2.URL:
    """A URL whose host and port can be looked up; the socket would fail on others in ways of its own.

    Raises:
        httpx2.InvalidURL: they cannot.
    """
    try:
        url.raw_host.decode("ascii").encode("idna")
    except UnicodeError:
        raise httpx2.InvalidURL("its host cannot be a name") from None
    if not 0 < (url.port or 1) < 2**16:
        raise httpx2.InvalidURL("its port is out of range")
    return url
