"""Proxies and certificates as environment variables name them: checked before an HTTP library stumbles over them.

The value of such a variable may hold a password: no message shows any part of it.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from importlib.util import find_spec
from urllib.parse import urlsplit
from urllib.request import getproxies

from nil_core.errors import ConfigError

PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Those that HTTP libraries know; the first that is set counts."""


def check_proxies() -> None:
    """Check ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``ALL_PROXY``, in small letters too.

    Raises:
        ConfigError: one of them is not the address of a proxy, or needs a package that is not installed.
    """
    proxies = getproxies()
    if "*" in map(str.strip, proxies.get("no", "").split(",")):
        return
    for kind in ("http", "https", "all"):
        if value := proxies.get(kind):
            _check_proxy(_proxy_variable(kind, value), value)


def certificates(variables: Sequence[str] = CERTIFICATE_VARIABLES) -> ssl.SSLContext | None:
    """The certificates that the first of some environment variables names, None if none of them is set.

    Raises:
        ConfigError: there are none.
    """
    variable = next((name for name in variables if os.environ.get(name)), None)
    if variable is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        _load(context, os.environ[variable], is_folder=variable == "SSL_CERT_DIR")
    except ssl.SSLError:
        raise _wrong_certificates(variable, "names a file that holds no certificates in PEM format") from None
    except OSError as error:
        raise _wrong_certificates(variable, f"cannot be read: {error.strerror}") from None
    return context


def _load(context: ssl.SSLContext, value: str, is_folder: bool) -> None:
    folders = [each for each in value.split(os.pathsep) if os.path.isdir(each)]
    if is_folder and not folders:  # OpenSSL itself says nothing of it
        os.stat(value)
        raise NotADirectoryError(None, "it is not a folder")
    if folders:
        for folder in folders:
            context.load_verify_locations(capath=folder)
    else:
        context.load_verify_locations(cafile=value)


def _wrong_certificates(variable: str, problem: str) -> ConfigError:
    return ConfigError(
        f"the environment variable {variable} {problem}",
        f"export {variable}=PATH of the certificates, or: unset {variable}",
    )


def _proxy_variable(kind: str, value: str) -> str:
    names = (name for name in os.environ if name.lower() == f"{kind}_proxy" and os.environ[name] == value)
    name = next(names, None)
    return f"the environment variable {name}" if name else f"the {kind} proxy in the settings of the system"


def _check_proxy(variable: str, value: str) -> None:
    name = variable.rpartition(" ")[2]
    hint = f"{name}=http://HOST:PORT, special characters of user and password percent-encoded; or: unset {name}"
    try:
        url = urlsplit(value if "://" in value else f"http://{value}")
        host, rest = url.hostname, url.path + url.query + url.fragment
        is_address = bool(host) and host not in PROXY_SCHEMES and url.port != 0
        (host or "").encode("idna")
    except ValueError:  # a port that is no number, half an IPv6 address, or no name of a host
        is_address, rest = False, ""
    if not is_address or "@" in rest or " " in value or not value.isprintable():
        raise ConfigError(f"{variable} is not the address of a proxy", hint)
    if url.scheme not in PROXY_SCHEMES:
        raise ConfigError(f"{variable} begins with something else than {'://, '.join(PROXY_SCHEMES)}://", hint)
    if url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigError(f"{variable} names a SOCKS proxy, which needs a package", "pip install socksio")
