"""An HTTP server on this machine, in threads of this process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from nil_core.testing.fake_service.protocol import ConnectionDroppedError, FakeResponse, ReceivedRequest

Respond = Callable[[BaseHTTPRequestHandler, ReceivedRequest], None]


def serve(respond: Respond) -> tuple[ThreadingHTTPServer, str]:
    """Start a server.

    Args:
        respond: called for every request; :class:`ConnectionDroppedError` resets the connection.

    Returns:
        the server, and its URL.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # small responses at once

        def _any(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                respond(self, ReceivedRequest(self.command, self.path, dict(self.headers), content))
            except ConnectionDroppedError:
                self.close_connection = True
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_DELETE = _any

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}"


def send(handler: BaseHTTPRequestHandler, response: FakeResponse) -> None:
    """Send a response with its length."""
    handler.send_response_only(response.status)
    for name, value in {**response.headers, "Content-Length": str(len(response.content))}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(response.content)
