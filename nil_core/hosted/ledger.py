"""What was ordered, written down before and after every step that costs money: nothing paid is lost, or paid twice."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

from nil_core.errors import ConfigError, DataError
from nil_core.hosted.tasks import Ticket
from nil_core.storage.atomic import explain_os_errors, writing


class Stage(StrEnum):
    """How far an order has come on our side."""

    ORDERING = "ordering"  # sent, or about to be: the answer is not known yet
    UNDERWAY = "underway"  # the service has a task for it
    STORED = "stored"  # the video is here
    MODERATED = "moderated"  # refused for good: the same order would be refused again
    FAILED = "failed"  # a new order may go better


@dataclass(frozen=True)
class Entry:
    """One order.

    Attributes:
        fingerprint: of everything that was ordered.
        vendor, model: whose.
        stage: how far it has come.
        name: ours for the task, where a service lets us name it; no two orders share one.
        ordered: when, ISO 8601 in UTC.
        request: what was sent, less the first frame.
        ticket: how the service finds the task.
        cost: the estimate, and what the service reported.
        words: why it failed.
        sha256: of the stored video.
    """

    fingerprint: str
    vendor: str
    model: str
    stage: Stage = Stage.ORDERING
    name: str = field(default_factory=lambda: f"nil-{uuid4().hex}")
    ordered: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    request: Mapping[str, Any] = field(default_factory=dict)
    ticket: Ticket = field(default_factory=dict)
    cost: Mapping[str, Any] = field(default_factory=dict)
    words: str = ""
    sha256: str = ""


class Ledger:
    """The orders at one service, one file each.

    Args:
        folder: ``hosted/<vendor>`` in the cache.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, fingerprint: str) -> Path:
        """The file of an order."""
        return self._folder / f"{fingerprint}.json"

    def read(self, fingerprint: str) -> Entry | None:
        """The order, None if there was none.

        Raises:
            DataError: the file is damaged; it is not overwritten, for it may name a paid task.
        """
        path = self.path(fingerprint)
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return Entry(**{**values, "stage": Stage(values["stage"])})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"the note of an order, {path}, cannot be read: {error}",
                "it may name a paid task: look at it; once it is removed, the order is made (and paid) anew",
            ) from None

    def write(self, entry: Entry, **changes: Any) -> Entry:
        """Note an order, on disk when the call returns.

        Raises:
            MachineError: the disk is full or the folder cannot be written.
        """
        entry = replace(entry, **changes)
        with writing(self.path(entry.fingerprint)) as temporary, open(temporary, "w", encoding="utf-8") as file:
            json.dump(asdict(entry), file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        return entry

    def drop(self, entry: Entry) -> None:
        """Forget an order that was never taken."""
        self.path(entry.fingerprint).unlink(missing_ok=True)

    @contextmanager
    def held(self, fingerprint: str) -> Iterator[None]:
        """Be the only process at an order; the system lets go of it when the process dies.

        Raises:
            ConfigError: another one is.
        """
        path = self.path(fingerprint).with_suffix(".lock")
        with explain_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(path, timeout=0):
                yield
        except Timeout:
            raise ConfigError(
                "another nil process waits for the very same video", "wait for it: then it comes from the cache"
            ) from None
