"""A fake hosted service on this machine: follows a documented protocol, injects faults, and counts paid orders."""

from __future__ import annotations

import base64
import io
import json
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from PIL import Image

from nil_core.types import Frames
from nil_core.video.files import write_video

FPS = 8
DOWNSCALE = 8  # from the first frame to the video, so that tests are fast

End = Literal["done", "failed", "moderated", "never"]


@dataclass
class ReceivedRequest:
    """A request as the service receives it."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The JSON that was sent."""
        value: dict[str, Any] = json.loads(self.content)
        return value


@dataclass
class FakeResponse:
    """A response of the service; ``body`` is a JSON value."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Task:
    """An order that was accepted, and so paid.

    Attributes:
        id: given by the service.
        body: what was ordered.
        frame: the first frame in the order, uint8 (H, W, 3).
        seconds: ordered length.
        name: the customer's name for it, if the protocol has one.
        polls: number of times its state was requested.
    """

    id: str
    body: Mapping[str, Any]
    frame: Frames
    seconds: float
    name: str = ""
    polls: int = 0


class ConnectionDroppedError(Exception):
    """The connection is closed without a response."""


class FakeProtocol(ABC):
    """The protocol of one service. A test implements what the service documents.

    Attributes:
        key: that requests must carry.
        service: the service with this protocol.
    """

    key = "sk-loopback-0123456789abcdef"
    service: FakeService

    @abstractmethod
    def authorize(self, request: ReceivedRequest) -> FakeResponse | None:
        """None if the request carries the right key, else the error response."""

    @abstractmethod
    def is_order(self, request: ReceivedRequest) -> bool:
        """Whether the request is an order, which costs money."""

    @abstractmethod
    def read_order(self, request: ReceivedRequest, number: int) -> Task:
        """Parse an order.

        Raises:
            AssertionError: the documentation does not allow it.
        """

    @abstractmethod
    def order_accepted(self, task: Task) -> FakeResponse:
        """The response to an order."""

    @abstractmethod
    def task_response(self, request: ReceivedRequest) -> FakeResponse:
        """The response to any other request; see :meth:`FakeService.state`."""

    @abstractmethod
    def error_response(self, kind: str) -> FakeResponse:
        """The documented error for ``key``, ``credit``, ``rate limit``, ``unavailable`` or ``moderated``."""


class FakeService:
    """The service and its file store, each on its own port.

    Args:
        protocol: of the service.
        now: the service's clock, s since 1970.

    Attributes:
        tasks: accepted orders, so paid ones.
        end: how tasks end.
        order_faults, poll_faults, file_faults: faults that replace the normal response, one for each request.
        requests: every request to the service.
        leaked_keys: requests to the file store that carried a key.
        bytes_sent: of files.
        urls_issued: number of video URLs.
    """

    def __init__(self, protocol: FakeProtocol, now: Callable[[], float] = time.time) -> None:
        self.protocol, self.now = protocol, now
        protocol.service = self
        self.tasks: list[Task] = []
        self.end: End = "done"
        self.order_faults: deque[Callable[[], FakeResponse | None]] = deque()
        self.poll_faults: deque[Callable[[], FakeResponse | None]] = deque()
        self.file_faults: deque[str] = deque()
        self.requests: list[ReceivedRequest] = []
        self.leaked_keys: list[ReceivedRequest] = []
        self.bytes_sent = 0
        self.urls_issued = 0
        self._expired: set[str] = set()
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._api, self.url = self._serve(self._respond)
        self._store, self.store_url = self._serve(self._respond_file)

    def close(self) -> None:
        """Stop both servers."""
        self._released.set()
        for server in (self._api, self._store):
            server.shutdown()
            server.server_close()

    def task(self, id_: str) -> Task | None:
        """A task by its id or the customer's name for it."""
        return next((task for task in self.tasks if id_ in (task.id, task.name)), None)

    def state(self, task: Task) -> str:
        """``queued`` at first, then ``running``, then the end."""
        with self._lock:
            task.polls += 1
        if task.polls == 1:
            return "queued"
        return "running" if task.polls == 2 or self.end == "never" else self.end

    def video_url(self, task: Task) -> str:
        """A new URL of its video; expired URLs stay expired."""
        self.urls_issued += 1
        return f"{self.store_url}/{task.id}/{self.urls_issued}.mp4?signature=abc"

    def hold(self) -> FakeResponse | None:
        """A fault: no response until :meth:`close` (the client is killed meanwhile)."""
        self._released.wait()
        raise ConnectionDroppedError

    def _serve(
        self, respond: Callable[[BaseHTTPRequestHandler, ReceivedRequest], None]
    ) -> tuple[ThreadingHTTPServer, str]:
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

    def _respond(self, handler: BaseHTTPRequestHandler, request: ReceivedRequest) -> None:
        self.requests.append(request)
        if request.path.endswith("/content") and self.protocol.authorize(request) is None:
            self._send_video(handler, request)  # a protocol that sends the file itself
            return
        self._send(handler, self._decide(request))

    def _decide(self, request: ReceivedRequest) -> FakeResponse:
        if error := self.protocol.authorize(request):
            return error
        is_order = self.protocol.is_order(request)
        faults = self.order_faults if is_order else self.poll_faults
        fault = faults.popleft() if faults else None
        if fault and getattr(fault, "after", False):  # it happens after the order was accepted
            self._accept(request)
            return fault() or FakeResponse()
        if fault and (response := fault()):
            return response
        if not is_order:
            return self.protocol.task_response(request)
        return self.protocol.order_accepted(self._accept(request))

    def _accept(self, request: ReceivedRequest) -> Task:
        with self._lock:
            task = self.protocol.read_order(request, len(self.tasks) + 1)
            self.tasks.append(task)
        return task

    def _send(self, handler: BaseHTTPRequestHandler, response: FakeResponse) -> None:
        content = json.dumps(response.body).encode()
        handler.send_response_only(response.status)
        headers = {"Content-Type": "application/json", "Date": formatdate(self.now(), usegmt=True), **response.headers}
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    def _respond_file(self, handler: BaseHTTPRequestHandler, request: ReceivedRequest) -> None:
        if any(name.lower() in ("authorization", "x-api-key") for name in request.headers):
            self.leaked_keys.append(request)
        self._send_video(handler, request)

    def _send_video(self, handler: BaseHTTPRequestHandler, request: ReceivedRequest) -> None:
        fault = self.file_faults.popleft() if self.file_faults else ""
        if fault == "expired" and not request.path.endswith("/content"):
            self._expired.add(request.path)  # permanently: only a new URL works
        if fault == "expired" or request.path in self._expired:
            self._send(handler, FakeResponse({"message": "Request has expired"}, 403))
            return
        if fault == "page":
            self._send(handler, FakeResponse("<html>Sign in</html>", headers={"Content-Type": "text/html"}))
            return
        task = next(task for task in self.tasks if task.id in request.path)
        video = make_video(task.frame.tobytes(), task.frame.shape, task.seconds)
        if fault == "corrupt":
            third = len(video) // 3
            video = video[:third] + bytes(third) + video[2 * third :]
        if fault == "short":  # a complete response with half a file
            video = video[: len(video) // 2]
        byte_range = next((value for name, value in request.headers.items() if name.lower() == "range"), "")
        start = int(byte_range.removeprefix("bytes=").rstrip("-")) if byte_range else 0
        if start >= len(video):
            self._send(handler, FakeResponse({}, 416, {"Content-Range": f"bytes */{len(video)}"}))
            return
        handler.send_response_only(206 if byte_range else 200)
        if byte_range:
            handler.send_header("Content-Range", f"bytes {start}-{len(video) - 1}/{len(video)}")
        handler.send_header("Content-Type", "video/mp4")
        handler.send_header("Content-Length", str(len(video) - start))
        handler.end_headers()
        chunk = video[start:]
        if fault in ("cut", "reset"):
            chunk = chunk[: len(chunk) // 2]
        handler.wfile.write(chunk)
        self.bytes_sent += len(chunk)
        if fault == "reset":
            handler.wfile.flush()
            time.sleep(0.05)  # let it arrive: a reset drops what is in transit
            raise ConnectionDroppedError
        handler.close_connection = fault == "cut"


def drop_connection() -> FakeResponse | None:
    """A fault: the connection breaks before anything is accepted."""
    raise ConnectionDroppedError


def accept_and_drop() -> FakeResponse | None:
    """A fault: the order is accepted, and the response is lost."""
    raise ConnectionDroppedError


accept_and_drop.after = True  # type: ignore[attr-defined]


def after_accepting(action: Callable[[], FakeResponse | None]) -> Callable[[], FakeResponse | None]:
    """A fault that happens after the order is accepted."""

    def fault() -> FakeResponse | None:
        return action()

    fault.after = True  # type: ignore[attr-defined]
    return fault


def image_of(text: str | bytes) -> Frames:
    """The first frame from base64 (a data URI too) or from a file's bytes: uint8 (H, W, 3)."""
    if isinstance(text, str):
        text = base64.b64decode(text.partition("base64,")[2] or text, validate=True)
    with Image.open(io.BytesIO(text)) as image:
        return np.asarray(image.convert("RGB"))


@cache
def make_video(pixels: bytes, shape: tuple[int, int, int], seconds: float) -> bytes:
    """An mp4 of the ordered length: the first frame, downscaled, moves to the right."""
    frame = np.frombuffer(pixels, np.uint8).reshape(shape)[::DOWNSCALE, ::DOWNSCALE]
    frames = np.stack([np.roll(frame, step, axis=1) for step in range(round(seconds * FPS))])
    with TemporaryDirectory() as folder:
        write_video(Path(folder) / "video.mp4", frames, FPS)
        return (Path(folder) / "video.mp4").read_bytes()
