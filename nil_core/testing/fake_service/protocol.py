"""What the protocol of a service is made of, for a test to implement as the service documents it."""

from __future__ import annotations

import base64
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from nil_core.types import Frames

if TYPE_CHECKING:
    from nil_core.testing.fake_service.service import FakeService


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
    """A response of the service; ``body`` is a JSON value, or bytes that are sent as they are."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """The body as it is sent."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


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


def image_of(text: str | bytes) -> Frames:
    """The first frame from base64 (a data URI too) or from a file's bytes: uint8 (H, W, 3)."""
    if isinstance(text, str):
        text = base64.b64decode(text.partition("base64,")[2] or text, validate=True)
    with Image.open(io.BytesIO(text)) as image:
        return np.asarray(image.convert("RGB"))
