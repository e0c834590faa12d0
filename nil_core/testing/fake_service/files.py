"""The files of a fake service: videos made of first frames, sent whole or with faults."""

from __future__ import annotations

import time
from collections import deque
from functools import cache
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from nil_core.testing.fake_service.protocol import ConnectionDroppedError, FakeResponse, ReceivedRequest, Task
from nil_core.testing.fake_service.server import send
from nil_core.video.files import write_video

FPS = 8
DOWNSCALE = 8  # from the first frame to the video, so that tests are fast


class VideoFiles:
    """Sends videos.

    Attributes:
        faults: one for each request: ``expired``, ``page``, ``corrupt``, ``short``, ``cut``, ``reset``, ``moved``
            (a redirect), or ``type X`` with the header Content-Type X, ``type`` without one.
        bytes_sent: of videos.
        url: of the server that redirects lead to.
    """

    def __init__(self) -> None:
        self.faults: deque[str] = deque()
        self.bytes_sent = 0
        self.url = ""
        self._expired: set[str] = set()

    def send(self, handler: BaseHTTPRequestHandler, request: ReceivedRequest, task: Task) -> None:
        """Send the video of a task, from where the request asks for it."""
        fault = self.faults.popleft() if self.faults else ""
        if response := self._instead(fault, request, task):
            send(handler, response)
            return
        video = _spoiled(make_video(task.frame.tobytes(), task.frame.shape, task.seconds), fault)
        byte_range = next((value for name, value in request.headers.items() if name.lower() == "range"), "")
        start = int(byte_range.removeprefix("bytes=").rstrip("-")) if byte_range else 0
        if start >= len(video):
            send(handler, FakeResponse({}, 416, {"Content-Range": f"bytes */{len(video)}"}))
            return
        handler.send_response_only(206 if byte_range else 200)
        if byte_range:
            handler.send_header("Content-Range", f"bytes {start}-{len(video) - 1}/{len(video)}")
        if kind := fault.removeprefix("type").strip() if fault.startswith("type") else "video/mp4":
            handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(video) - start))
        handler.end_headers()
        self._send_bytes(handler, video[start:], fault)

    def _instead(self, fault: str, request: ReceivedRequest, task: Task) -> FakeResponse | None:
        """What is sent in place of the video."""
        if fault == "expired" and not request.path.endswith("/content"):
            self._expired.add(request.path)  # permanently: only a new URL works
        if fault == "expired" or request.path in self._expired:
            return FakeResponse({"message": "Request has expired"}, 403)
        if fault == "page":
            return FakeResponse("<html>Sign in</html>", headers={"Content-Type": "text/html"})
        if fault == "moved":
            return FakeResponse({}, 302, {"Location": f"{self.url}/{task.id}/moved.mp4"})
        return None

    def _send_bytes(self, handler: BaseHTTPRequestHandler, chunk: bytes, fault: str) -> None:
        if fault in ("cut", "reset"):
            chunk = chunk[: len(chunk) // 2]
        handler.wfile.write(chunk)
        self.bytes_sent += len(chunk)
        if fault == "reset":
            handler.wfile.flush()
            # A reset drops what is in transit, and a sender cannot wait until it has arrived: no portable call tells.
            time.sleep(0.05)
            raise ConnectionDroppedError
        handler.close_connection = fault == "cut"


def _spoiled(video: bytes, fault: str) -> bytes:
    if fault == "corrupt":
        third = len(video) // 3
        return video[:third] + bytes(third) + video[2 * third :]
    return video[: len(video) // 2] if fault == "short" else video  # short: a complete response with half a file


@cache
def make_video(pixels: bytes, shape: tuple[int, int, int], seconds: float) -> bytes:
    """An mp4 of the ordered length: the first frame, downscaled, moves to the right."""
    frame = np.frombuffer(pixels, np.uint8).reshape(shape)[::DOWNSCALE, ::DOWNSCALE]
    frames = np.stack([np.roll(frame, step, axis=1) for step in range(round(seconds * FPS))])
    with TemporaryDirectory() as folder:
        write_video(Path(folder) / "video.mp4", frames, FPS)
        return (Path(folder) / "video.mp4").read_bytes()
