"""What is ordered of a service, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nil_core.payment import Estimate
from nil_core.types import Frames

Ticket = dict[str, Any]
"""JSON values by which the service finds a task again; ``id`` is always among them."""


class State(StrEnum):
    """Where a task stands, whatever the service calls it."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    MODERATED = "moderated"
    CANCELLED = "cancelled"


WAITING = frozenset({State.QUEUED, State.RUNNING})


@dataclass(frozen=True)
class Status:
    """What a service says of a task.

    Attributes:
        state: where it stands.
        url: of the video, once done; it may expire, and asking again gives a fresh one.
        words: why it failed, as the service says.
        progress: share done, 0 to 1, where it is told.
        cost: what was charged, as the service reports it (JSON), where it does.
        wait: s that the service wants to be left alone.
    """

    state: State
    url: str = ""
    words: str = ""
    progress: float | None = None
    cost: Any = None
    wait: float = 0.0


@dataclass(frozen=True)
class Order:
    """Everything that determines a video, as far as we do.

    Attributes:
        model: as the service calls it.
        body: what is sent beside the first frame, JSON values; kept as provenance.
        frame: uint8 (H, W, 3), the first frame at the size and aspect that is sent, see
            :func:`nil_core.api.letterbox`.
        seconds: length that is ordered; services sell it by the piece.
        estimate: what it costs.
        seed: of the request; another seed is another order even where the service takes none.
        seeded: whether the service takes it.
    """

    model: str
    body: Mapping[str, Any]
    frame: Frames
    seconds: float
    estimate: Estimate
    seed: int
    seeded: bool = False
