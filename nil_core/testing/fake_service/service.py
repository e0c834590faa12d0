"""The service and its file store."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Literal

from nil_core.testing.fake_service.files import VideoFiles
from nil_core.testing.fake_service.protocol import (
    ConnectionDroppedError,
    FakeProtocol,
    FakeResponse,
    ReceivedRequest,
    Task,
)
from nil_core.testing.fake_service.server import send, serve

End = Literal["done", "failed", "moderated", "never"]
MOVED = "/moved"  # the service is here, too


class FakeService:
    """The service and its file store, each on its own port.

    Args:
        protocol: of the service.
        now: the service's clock, s since 1970.

    Attributes:
        tasks: accepted orders, so paid ones.
        end: how tasks end.
        order_faults, poll_faults, file_faults: faults that replace the normal response, one for each request.
        order_redirect: status and base URL to which orders are sent on, unless they come to :data:`MOVED`.
        requests: every request to the service.
        store_requests: every request to the file store.
        leaked_keys: requests to the file store that carried a key.
        urls_issued: number of video URLs.
    """

    def __init__(self, protocol: FakeProtocol, now: Callable[[], float] = time.time) -> None:
        self.protocol, self.now = protocol, now
        protocol.service = self
        self.tasks: list[Task] = []
        self.end: End = "done"
        self.order_faults: deque[Callable[[], FakeResponse | None]] = deque()
        self.poll_faults: deque[Callable[[], FakeResponse | None]] = deque()
        self.order_redirect: tuple[int, str] | None = None
        self.requests: list[ReceivedRequest] = []
        self.store_requests: list[ReceivedRequest] = []
        self.leaked_keys: list[ReceivedRequest] = []
        self.urls_issued = 0
        self._files = VideoFiles()
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._api, self.url = serve(self._respond)
        self._store, self.store_url = serve(self._respond_file)
        self._files.url = self.store_url

    @property
    def file_faults(self) -> deque[str]:
        """See :class:`VideoFiles`."""
        return self._files.faults

    @property
    def bytes_sent(self) -> int:
        """Of videos."""
        return self._files.bytes_sent

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

    def _respond(self, handler: BaseHTTPRequestHandler, request: ReceivedRequest) -> None:
        self.requests.append(request)
        moved = request.path.startswith(f"{MOVED}/")
        request.path = request.path.removeprefix(MOVED)
        if request.path.endswith("/content") and self.protocol.authorize(request) is None:
            self._send_video(handler, request)  # a protocol that sends the file itself
            return
        response = self._decide(request, moved)
        usual = {"Content-Type": "application/json", "Date": formatdate(self.now(), usegmt=True)}
        response.headers = usual | response.headers
        send(handler, response)

    def _decide(self, request: ReceivedRequest, moved: bool) -> FakeResponse:
        if error := self.protocol.authorize(request):
            return error
        is_order = self.protocol.is_order(request)
        if is_order and self.order_redirect and not moved:
            status, base = self.order_redirect
            return FakeResponse({}, status, {"Location": base + request.path})
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

    def _respond_file(self, handler: BaseHTTPRequestHandler, request: ReceivedRequest) -> None:
        self.store_requests.append(request)
        if any(name.lower() in ("authorization", "x-api-key") for name in request.headers):
            self.leaked_keys.append(request)
        self._send_video(handler, request)

    def _send_video(self, handler: BaseHTTPRequestHandler, request: ReceivedRequest) -> None:
        self._files.send(handler, request, next(task for task in self.tasks if task.id in request.path))


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
