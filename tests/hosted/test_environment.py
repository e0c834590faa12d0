"""Proxies and certificates that the environment names: used, or refused in one line without a piece of a password."""

from __future__ import annotations

import datetime
import ssl
import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import Mock

import pytest

from nil_core.errors import ConfigError
from nil_core.hosted.clock import Clock
from nil_core.hosted.connection import Connection
from nil_core.hosted.errors import ErrorKind, NoResponseError, RejectedError, ServiceError
from nil_core.hosted.responses import classify_http_error
from nil_core.weights import fetch

SECRET = "hunter2"
VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    proxies = [f"{kind}_proxy" for kind in ("http", "https", "all", "no")]
    for name in [*VARIABLES, *proxies, *map(str.upper, proxies)]:
        monkeypatch.delenv(name, raising=False)


class Service:
    """Accepts every order; as a proxy it answers CONNECT with a status, or with nothing."""

    proxy_status: ClassVar[int | None] = 407

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        seen = self.seen = list[str]()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                seen.append(self.command)
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.command == "CONNECT" and service.proxy_status is None:
                    self.close_connection = True
                    return
                self.send_response(service.proxy_status or 0 if self.command == "CONNECT" else 200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_CONNECT = do_POST = _answer  # noqa: N815  as http.server names them

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.server.shutdown()
    service.server.server_close()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of this machine, signed by itself; with its key in one file."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = builder.add_extension(here, critical=False).sign(key, hashes.SHA256())
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = tmp_path / "certificate.pem"
    private = key.private_bytes(pem, form, serialization.NoEncryption())
    path.write_bytes(private + signed.public_bytes(pem))
    return path


def connection(url: str, slept: list[float] | None = None) -> Connection:
    clock = Clock(sleep=(slept if slept is not None else []).append)
    return Connection(
        "toy", "https://toy.example", url, lambda: {"Authorization": "Key k"},
        lambda response: classify_http_error(response, response.text), lambda now: None, lambda text: text, clock, 99,
    )  # fmt: skip


WRONG = {
    "a port": ("HTTPS_PROXY", f"http://user:{SECRET}/x@host:80"),
    "a path": ("https_proxy", f"http://user:12/{SECRET}@host:80"),
    "a number": ("HTTP_PROXY", f"http://{SECRET}:port"),
    "a range": ("ALL_PROXY", f"http://{SECRET}:99999"),
    "a colon": ("HTTPS_PROXY", f"http//user:{SECRET}@host:80"),
    "no host": ("HTTPS_PROXY", "http://"),
    "quotes": ("HTTPS_PROXY", f'"http://user:{SECRET}@host:80"'),
    "a newline": ("HTTPS_PROXY", f"http://user:{SECRET}@host:80\n"),
    "a bracket": ("HTTPS_PROXY", f"http://[{SECRET}"),
    "an empty label": ("HTTPS_PROXY", f"http://{SECRET}..host:80"),
    "a long label": ("HTTPS_PROXY", f"http://{SECRET}{'x' * 70}:80"),
    "a scheme": ("ALL_PROXY", f"ftp://user:{SECRET}@host"),
    "another scheme": ("HTTP_PROXY", f"socks4://user:{SECRET}@host:1080"),
    "no file": ("SSL_CERT_FILE", f"/{SECRET}.pem"),
    "no folder": ("SSL_CERT_DIR", f"/{SECRET}"),
    "no bundle": ("REQUESTS_CA_BUNDLE", f"/{SECRET}.pem"),
    "no other bundle": ("CURL_CA_BUNDLE", f"/{SECRET}.pem"),
    "no certificates": ("SSL_CERT_FILE", __file__),
    "a file as folder": ("SSL_CERT_DIR", __file__),
}


@pytest.mark.parametrize(("variable", "value"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_variable_is_named_and_its_value_is_not(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    calls = [lambda: connection("https://service.example")]
    if variable not in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # the hub's client does not read these
        calls.append(lambda: fetch("owner/model", ()))
    for call in calls:
        with pytest.raises(ConfigError) as error:
            call()
        assert variable in error.value.message and variable in error.value.hint
        assert "\n" not in error.value.message
        shown = "".join(traceback.format_exception(error.value))  # as NIL_DEBUG=1 shows it
        assert not any(piece in shown for piece in (SECRET, "user:"))
    monkeypatch.delenv(variable)  # as the hint says
    connection("https://service.example").close()


def test_socks_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", f"socks5://user:{SECRET}@host:1080")
    monkeypatch.setattr("nil_core.network.find_spec", lambda name: None)
    with pytest.raises(ConfigError) as error:
        connection("https://service.example")
    assert error.value.hint == "pip install socksio" and SECRET not in str(error.value)


def test_a_server_that_is_no_socks_proxy_is_a_proxy_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class ProtocolError(Exception):
        __module__ = "socksio.exceptions"

    for error in (ProtocolError("Malformed reply"), AssertionError()):  # as httpx lets them out
        monkeypatch.setattr("httpx2.Client.send", Mock(side_effect=error))
        with pytest.raises(RejectedError, match="does not answer as a SOCKS5 proxy") as failed:
            connection("https://service.example").post("orders", json={})
        assert failed.value.kind is ErrorKind.PROXY and "ALL_PROXY" in failed.value.hint


@pytest.mark.parametrize(
    "value", ["proxy:3128", "http://proxy:3128/", f"http://user:{SECRET}@proxy:3128", f"user:{SECRET}@proxy", ""]
)
def test_a_right_proxy_is_taken(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    connection("https://service.example").close()


@pytest.mark.parametrize("url", ["https://host:port", "https://[::1", "https://a..b", "https://host:99999"])
def test_a_base_url_that_is_none_is_said_in_one_line(url: str) -> None:
    with pytest.raises(ConfigError, match="base_url is no URL"):
        connection(url)


def test_no_proxy_for_any_host_needs_no_right_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "ftp://x")
    monkeypatch.setenv("NO_PROXY", "*")
    connection("https://service.example").close()


def test_an_order_that_the_proxy_refused_was_not_taken(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET}@127.0.0.1:{service.port}")
    with pytest.raises(RejectedError) as refused:
        connection("https://service.example").post("orders", json={})
    assert refused.value.kind is ErrorKind.PROXY and "407" in refused.value.message
    assert "HTTPS_PROXY" in refused.value.hint and SECRET not in str(refused.value)
    slept: list[float] = []
    monkeypatch.setattr(Service, "proxy_status", None)
    with pytest.raises(ServiceError, match="toy fails") as failed:
        connection("https://service.example", slept).post("orders", json={})
    assert not isinstance(failed.value, NoResponseError) and "nothing was ordered" in failed.value.hint
    assert slept and set(service.seen) == {"CONNECT"}


def test_certificates_of_a_company_are_taken_from_the_environment(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    service = Service(context)
    url = f"https://127.0.0.1:{service.port}"
    with pytest.raises(RejectedError) as error:
        connection(url).post("orders", json={})
    assert error.value.kind is ErrorKind.CERTIFICATE and "export SSL_CERT_FILE=" in error.value.hint
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        with monkeypatch.context() as patch:
            patch.setenv(variable, str(certificate))  # as the hint says
            assert connection(url).post("orders", json={}).status == 200
    service.server.shutdown()
    service.server.server_close()
