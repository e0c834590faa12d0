"""A fake hosted service on this machine: follows a documented protocol, injects faults, and counts paid orders."""

from nil_core.testing.fake_service.protocol import (
    ConnectionDroppedError,
    FakeProtocol,
    FakeResponse,
    ReceivedRequest,
    Task,
    image_of,
)
from nil_core.testing.fake_service.service import MOVED, FakeService, accept_and_drop, after_accepting, drop_connection

__all__ = [
    "MOVED",
    "ConnectionDroppedError",
    "FakeProtocol",
    "FakeResponse",
    "FakeService",
    "ReceivedRequest",
    "Task",
    "accept_and_drop",
    "after_accepting",
    "drop_connection",
    "image_of",
]
