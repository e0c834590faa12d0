"""Record of orders, written before and after every step that costs money: nothing paid is lost or paid twice."""

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
from nil_core.storage.atomic import writing
from nil_core.storage.os_errors import explain_os_errors

UNREADABLE = "bring the cache back (NIL_CACHE names it): it records what is paid, so that nothing is paid twice"


class Stage(StrEnum):
    """Progress of an order on our side."""

    ORDERING = "ordering"  # sent, or about to be: the response is not known yet
    UNDERWAY = "underway"  # the service has a task for it
    STORED = "stored"  # the video is on disk
    MODERATED = "moderated"  # refused: the same order would be refused again
    FAILED = "failed"  # a new order may succeed


@dataclass(frozen=True)
class Entry:
    """One order.

    Attributes:
        fingerprint: of everything that was ordered.
        vendor, model: generator and model.
        stage: its progress.
        name: our unique name for the task, for services that accept one.
        ordered: time, ISO 8601 in UTC.
        request: what was sent, without the first frame.
        ticket: with which the task is requested from the service.
        cost: the estimate, and what the service reported.
        words: why it failed, as the service says.
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
        """The order, None if there is none.

        Raises:
            DataError: the file is damaged; it is not overwritten, because it may name a paid task.
            MachineError: the folder cannot be reached or read: nobody knows then what is paid already.
        """
        path = self.path(fingerprint)
        try:
            with explain_os_errors(path, "read", UNREADABLE):
                text = path.read_text(encoding="utf-8")
            values = json.loads(text)
            return Entry(**{**values, "stage": Stage(values["stage"])})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"the record of an order, {path}, cannot be read: {error}",
                "it may name a paid task: look at it; once it is removed, the order is sent (and paid) again",
            ) from None

    def write(self, entry: Entry, **changes: Any) -> Entry:
        """Record an order; it is on disk when the call returns.

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
        """Delete the record of an order that was not accepted."""
        self.path(entry.fingerprint).unlink(missing_ok=True)

    @contextmanager
    def without(self, entry: Entry) -> Iterator[None]:
        """No record while an order that was not accepted waits to be sent again: a process may end here."""
        self.drop(entry)
        yield
        self.write(entry)

    @contextmanager
    def locked(self, fingerprint: str) -> Iterator[None]:
        """Lock an order for this process; the system releases the lock when the process ends.

        Raises:
            ConfigError: another process has the lock.
        """
        path = self.path(fingerprint).with_suffix(".lock")
        with explain_os_errors(path, hint=UNREADABLE):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(path, timeout=0):
                yield
        except Timeout:
            raise ConfigError(
                "another nil process waits for the same video", "wait for it: then it comes from the cache"
            ) from None
