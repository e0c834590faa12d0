"""A hosted service on loopback that keeps to a documented protocol, misbehaves on purpose, and counts what is paid."""

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
SMALL = 8  # how much smaller than the first frame the made video is, so that tests are fast

End = Literal["done", "failed", "moderated", "never"]


@dataclass
class Call:
    """A request as the service sees it."""

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
class Answer:
    """What the service answers: a JSON value, or bytes of a kind."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Task:
    """An order that was taken, and so paid.

    Attributes:
        id: the service's.
        body: what was ordered.
        frame: the first frame that came with it, uint8 (H, W, 3).
        seconds: length ordered.
        name: the customer's name for it, where the protocol has one.
        looks: times it was asked for.
    """

    id: str
    body: Mapping[str, Any]
    frame: Frames
    seconds: float
    name: str = ""
    looks: int = 0


class Hangup(Exception):
    """The connection is closed without an answer."""


class Protocol(ABC):
    """How one service speaks. A test derives from it what the vendor documents.

    Attributes:
        key: what the client's requests must carry.
        service: the one that speaks so.
    """

    key = "sk-loopback-0123456789abcdef"
    service: Vendor

    @abstractmethod
    def authorised(self, call: Call) -> Answer | None:
        """None if the call carries the right key, else the refusal."""

    @abstractmethod
    def is_order(self, call: Call) -> bool:
        """Whether the call orders (and pays); every other call asks."""

    @abstractmethod
    def take(self, call: Call, number: int) -> Task:
        """Read an order, and complain by ``AssertionError`` of what the documentation forbids."""

    @abstractmethod
    def taken(self, task: Task) -> Answer:
        """What is answered to an order."""

    @abstractmethod
    def answer(self, call: Call) -> Answer:
        """What is answered to any other call; see :meth:`Vendor.state`."""

    @abstractmethod
    def refusal(self, kind: str) -> Answer:
        """The documented error for ``key``, ``credit``, ``slow down``, ``busy`` or ``moderated``."""


class Vendor:
    """The service and its file store, each on a port of its own.

    Args:
        protocol: how it speaks.
        now: s since 1970, the service's clock.

    Attributes:
        tasks: what was taken, so what was paid.
        end: how tasks end.
        order_faults, look_faults, file_faults: answers or happenings that come instead, one a request.
        requests: every call to the service.
        leaks: calls to the file store that carried a key.
        served: bytes of files that were sent.
        fresh: addresses of films given out.
    """

    def __init__(self, protocol: Protocol, now: Callable[[], float] = time.time) -> None:
        self.protocol, self.now = protocol, now
        protocol.service = self
        self.tasks: list[Task] = []
        self.end: End = "done"
        self.order_faults: deque[Callable[[], Answer | None]] = deque()
        self.look_faults: deque[Callable[[], Answer | None]] = deque()
        self.file_faults: deque[str] = deque()
        self.requests: list[Call] = []
        self.leaks: list[Call] = []
        self.served = 0
        self.fresh = 0
        self._expired: set[str] = set()
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._api, self.url = self._serve(self._respond)
        self._store, self.store_url = self._serve(self._respond_file)

    def close(self) -> None:
        """Stop both."""
        self._released.set()
        for server in (self._api, self._store):
            server.shutdown()
            server.server_close()

    def task(self, id_: str) -> Task | None:
        """A task by its id or its customer's name."""
        return next((task for task in self.tasks if id_ in (task.id, task.name)), None)

    def state(self, task: Task) -> str:
        """``queued`` at first, then ``running``, then the end."""
        with self._lock:
            task.looks += 1
        if task.looks == 1:
            return "queued"
        return "running" if task.looks == 2 or self.end == "never" else self.end

    def film_url(self, task: Task) -> str:
        """A fresh address of its video; older ones of an expired file stay expired."""
        self.fresh += 1
        return f"{self.store_url}/{task.id}/{self.fresh}.mp4?signature=abc"

    def hold(self) -> Answer | None:
        """A happening: the answer waits until :meth:`close` (the client is killed meanwhile)."""
        self._released.wait()
        raise Hangup

    def _serve(self, respond: Callable[[BaseHTTPRequestHandler, Call], None]) -> tuple[ThreadingHTTPServer, str]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # small answers at once

            def _any(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                try:
                    respond(self, Call(self.command, self.path, dict(self.headers), content))
                except Hangup:
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

    def _respond(self, handler: BaseHTTPRequestHandler, call: Call) -> None:
        self.requests.append(call)
        if call.path.endswith("/content") and self.protocol.authorised(call) is None:
            self._send_film(handler, call)  # a protocol that hands the file over itself
            return
        self._send(handler, self._decide(call))

    def _decide(self, call: Call) -> Answer:
        if refused := self.protocol.authorised(call):
            return refused
        ordering = self.protocol.is_order(call)
        faults = self.order_faults if ordering else self.look_faults
        fault = faults.popleft() if faults else None
        if fault and getattr(fault, "after", False):  # it happens after the order was taken
            self._take(call)
            return fault() or Answer()
        if fault and (instead := fault()):
            return instead
        if not ordering:
            return self.protocol.answer(call)
        return self.protocol.taken(self._take(call))

    def _take(self, call: Call) -> Task:
        with self._lock:
            task = self.protocol.take(call, len(self.tasks) + 1)
            self.tasks.append(task)
        return task

    def _send(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        content = json.dumps(answer.body).encode()
        handler.send_response_only(answer.status)
        headers = {"Content-Type": "application/json", "Date": formatdate(self.now(), usegmt=True), **answer.headers}
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    def _respond_file(self, handler: BaseHTTPRequestHandler, call: Call) -> None:
        if any(name.lower() in ("authorization", "x-api-key") for name in call.headers):
            self.leaks.append(call)
        self._send_film(handler, call)

    def _send_film(self, handler: BaseHTTPRequestHandler, call: Call) -> None:
        fault = self.file_faults.popleft() if self.file_faults else ""
        if fault == "expired" and not call.path.endswith("/content"):
            self._expired.add(call.path)  # for good: only a fresh address helps
        if fault == "expired" or call.path in self._expired:
            self._send(handler, Answer({"message": "Request has expired"}, 403))
            return
        if fault == "page":
            self._send(handler, Answer("<html>Sign in</html>", headers={"Content-Type": "text/html"}))
            return
        task = next(task for task in self.tasks if task.id in call.path)
        film = make_film(task.frame.tobytes(), task.frame.shape, task.seconds)
        if fault == "corrupt":
            third = len(film) // 3
            film = film[:third] + bytes(third) + film[2 * third :]
        if fault == "short":  # a whole answer with half a file
            film = film[: len(film) // 2]
        wanted = next((value for name, value in call.headers.items() if name.lower() == "range"), "")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if start >= len(film):
            self._send(handler, Answer({}, 416, {"Content-Range": f"bytes */{len(film)}"}))
            return
        handler.send_response_only(206 if wanted else 200)
        if wanted:
            handler.send_header("Content-Range", f"bytes {start}-{len(film) - 1}/{len(film)}")
        handler.send_header("Content-Type", "video/mp4")
        handler.send_header("Content-Length", str(len(film) - start))
        handler.end_headers()
        piece = film[start:]
        if fault in ("cut", "reset"):
            piece = piece[: len(piece) // 2]
        handler.wfile.write(piece)
        self.served += len(piece)
        if fault == "reset":
            handler.wfile.flush()
            time.sleep(0.05)  # let it arrive: a reset drops what is under way
            raise Hangup
        handler.close_connection = fault == "cut"


def hangup() -> Answer | None:
    """A happening: the connection breaks before anything is taken."""
    raise Hangup


def lost_answer() -> Answer | None:
    """A happening: the order is taken, and the answer is lost."""
    raise Hangup


lost_answer.after = True  # type: ignore[attr-defined]


def after_taking(happening: Callable[[], Answer | None]) -> Callable[[], Answer | None]:
    """A happening that comes once the order is taken."""

    def fault() -> Answer | None:
        return happening()

    fault.after = True  # type: ignore[attr-defined]
    return fault


def image_of(text: str | bytes) -> Frames:
    """The first frame from base64 (a data URI too) or from a file's bytes: uint8 (H, W, 3)."""
    if isinstance(text, str):
        text = base64.b64decode(text.partition("base64,")[2] or text, validate=True)
    with Image.open(io.BytesIO(text)) as image:
        return np.asarray(image.convert("RGB"))


@cache
def make_film(pixels: bytes, shape: tuple[int, int, int], seconds: float) -> bytes:
    """The first frame, made smaller, moving to the right: an mp4 of the length ordered."""
    frame = np.frombuffer(pixels, np.uint8).reshape(shape)[::SMALL, ::SMALL]
    frames = np.stack([np.roll(frame, step, axis=1) for step in range(round(seconds * FPS))])
    with TemporaryDirectory() as folder:
        write_video(Path(folder) / "film.mp4", frames, FPS)
        return (Path(folder) / "film.mp4").read_bytes()
