"""Orders, and the state of their tasks at the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nil_core.payment import Estimate
from nil_core.types import Frames

Ticket = dict[str, Any]
"""JSON values with which a task is requested from the service; ``id`` is always among them."""


class State(StrEnum):
    """State of a task, under one name for all services."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    MODERATED = "moderated"
    CANCELLED = "cancelled"


WAITING = frozenset({State.QUEUED, State.RUNNING})


@dataclass(frozen=True)
class Status:
    """What a service reports of a task.

    Attributes:
        state: its state.
        url: of the video, once done; it may expire, and polling again gives a new one.
        message: why it failed, as the service says.
        progress: fraction done, 0 to 1; None if the service does not report it.
        cost: what was charged, as the service reports it (JSON); None if it does not.
        wait: minimum pause before the next poll that the service asks for, s.
    """

    state: State
    url: str = ""
    message: str = ""
    progress: float | None = None
    cost: Any = None
    wait: float = 0.0


@dataclass(frozen=True)
class Order:
    """Everything that determines a video on our side.

    Attributes:
        model: as the service calls it.
        body: what is sent beside the first frame, JSON values; stored as provenance.
        frame: uint8 (H, W, 3), the first frame at the size and aspect that is sent, see
            :func:`nil_core.api.letterbox`.
        seconds: length that is ordered; services offer fixed lengths.
        estimate: what it costs.
        seed: of the request; another seed is another order even if the service takes none.
        seeded: whether the service takes it.
    """

    model: str
    body: Mapping[str, Any]
    frame: Frames
    seconds: float
    estimate: Estimate
    seed: int
    seeded: bool = False
