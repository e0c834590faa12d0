"""Base class of hosted generators: order once, wait, download, store. A plugin adds the protocol of its service."""

from __future__ import annotations

import logging
import math
import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from nil_core.errors import DataError, MachineError, NilError
from nil_core.hosted.clock import Clock
from nil_core.hosted.connection import Connection
from nil_core.hosted.download import download, stored_path
from nil_core.hosted.errors import ErrorKind, ErrorResponse, NoResponseError, RejectedError, ServiceError
from nil_core.hosted.keys import Keys
from nil_core.hosted.ledger import Entry, Ledger, Stage
from nil_core.hosted.options import HostedOptions
from nil_core.hosted.responses import Response, classify_http_error
from nil_core.hosted.tasks import WAITING, Order, State, Status, Ticket
from nil_core.hosted.words import brief
from nil_core.payment import Estimate
from nil_core.storage.cache import cache_root, fingerprint
from nil_core.types import GenerationRequest, Progress, Video
from nil_core.video.crop import central_square
from nil_core.video.files import LONGEST_SIDE, read_video

_log = logging.getLogger(__name__)
TASK_ENDING = frozenset({ErrorKind.MODERATED, ErrorKind.INVALID_REQUEST, ErrorKind.NOT_FOUND})
"""Errors of a poll that end the task."""


class HostedGenerator(ABC):
    """A generator behind an HTTP API (implements :class:`nil_core.interfaces.PaidGenerator`).

    A subclass is an adapter: it makes orders (:meth:`order`), sends them (:meth:`create`), polls their tasks
    (:meth:`poll`), and says what error responses mean (:meth:`classify_error`).

    Args:
        options: of the plugin.
        base_url: of the service.
        clock: source of time; tests replace it.

    Attributes:
        name: of the generator.
        page: where a person manages keys and credit.
        poll_seconds: pause after the first poll of a task; later pauses grow.
        findable: whether the service finds a task by the name that we gave it, see :meth:`find`.
    """

    name: ClassVar[str]
    page: ClassVar[str]
    poll_seconds: ClassVar[float] = 2.0
    findable: ClassVar[bool] = False

    def __init__(self, options: HostedOptions, base_url: str, clock: Clock | None = None) -> None:
        self._base_url = base_url
        self._deadline = options.deadline
        self._clock = clock or Clock()
        self._clock_offset = 0.0
        self._ledger = Ledger(cache_root() / "hosted" / self.name)
        self.keys = Keys(self.page)

    @abstractmethod
    def order(self, request: GenerationRequest) -> Order:
        """What to send for a request, and what it costs.

        Raises:
            ConfigError: the service cannot make this video; the message names what it can make.
        """

    @abstractmethod
    def headers(self) -> Mapping[str, str]:
        """The headers that carry the key; called for every request.

        Raises:
            ConfigError: there is no key.
        """

    @abstractmethod
    def create(self, connection: Connection, order: Order, name: str) -> Ticket:
        """Send the order, with our name for the task if the service accepts one. This is what costs money."""

    @abstractmethod
    def poll(self, connection: Connection, ticket: Ticket) -> Status:
        """The status of a task."""

    def find(self, connection: Connection, name: str) -> Ticket | None:
        """The task with our name, None if there is none; only called if :attr:`findable`."""
        raise NotImplementedError

    def classify_error(self, response: Response) -> ErrorResponse | None:
        """What a response means; None is a success."""
        return classify_http_error(response, response.text)

    def now(self) -> float:
        """Seconds since 1970, by the service's clock once it has rejected ours."""
        return self._clock.now() + self._clock_offset

    def _set_server_time(self, server_time: float) -> None:
        self._clock_offset = server_time - self._clock.now()

    def estimate(self, request: GenerationRequest) -> Estimate:
        """What :meth:`generate` would spend; also checks that there is a key.

        Raises:
            ConfigError: no key, or an order that the service cannot accept.
        """
        order = self.order(request)
        entry = self._ledger.read(self._fingerprint(order))
        if entry is not None and entry.stage not in (Stage.ORDERING, Stage.FAILED):
            return replace(order.estimate, amount=0.0)
        self.headers()
        return order.estimate

    def generate(self, request: GenerationRequest, progress: Progress) -> Video:
        """Order the video, or continue an earlier order; see :class:`nil_core.interfaces.VideoGenerator`.

        The task's id is on disk before the first poll: a crash, Ctrl-C or the deadline costs nothing.

        Raises:
            ConfigError: no key, or a video that the service cannot make.
            RejectedError: wrong key, no credit, moderated, or a wrong request; with the service's message.
            ServiceError: the service failed, has not finished at the deadline, or its file stays damaged.
        """
        order = self.order(request)
        key = self._fingerprint(order)
        with self._ledger.locked(key):
            entry = self._ledger.read(key)
            video = self._read_stored(entry, progress)
            if entry is None or video is None:
                entry, video = self._obtain(order, key, entry, progress)
        return self._finish(video, order, request, entry)

    def _read_stored(self, entry: Entry | None, progress: Progress) -> Video | None:
        """The video of an earlier call; None if there is none, or if it is damaged and must be downloaded again."""
        if entry is None or entry.stage is not Stage.STORED:
            return None
        progress(1, 1, f"{self.name}: task {_id(entry)} is paid already")
        try:
            return read_video(stored_path(entry.sha256), size=LONGEST_SIDE)
        except DataError:
            return None

    def _obtain(self, order: Order, key: str, entry: Entry | None, progress: Progress) -> tuple[Entry, Video]:
        """Order or find the task, wait for it, download its video."""
        connection = Connection(
            self.name, self.page, self._base_url, self.headers, self.classify_error, self._set_server_time,
            self.keys.redact, self._clock, self._deadline,
        )  # fmt: skip
        try:
            if entry is None or entry.stage is Stage.FAILED:
                entry = self._order(connection, order, self._new_entry(order, key))
            elif entry.stage is Stage.ORDERING:
                entry = self._recover(connection, entry) or self._order(connection, order, entry)
            progress(1, 1, f"{self.name}: task {_id(entry)} is ordered and recorded")
            return self._wait_and_download(connection, entry, progress)
        except KeyboardInterrupt:
            if self._ledger.read(key) is None:
                _log.warning("nothing was ordered at %s, and nothing is paid", self.name)
            else:
                _log.warning("the order at %s is kept: the same command goes on, and pays nothing twice", self.name)
            raise
        finally:
            connection.close()

    def _new_entry(self, order: Order, key: str) -> Entry:
        cost = {"estimate": order.estimate.amount, "currency": order.estimate.currency}
        return Entry(key, self.name, order.model, request=order.body, cost=cost)

    def _order(self, connection: Connection, order: Order, entry: Entry) -> Entry:
        """Record, send, record: the next call knows of the order, whatever happens in between."""
        self._ledger.write(entry)
        if not self.findable:
            connection.between_orders = partial(self._ledger.without, entry)
        try:
            ticket = self.create(connection, order, entry.name)
        except NoResponseError as error:
            if not self.findable:
                raise self._unknown(entry, f"{error.message}; it may have been accepted") from None
            connection.pause(self.poll_seconds, "looking for the task of an order without a response")
            found = self.find(connection, entry.name)
            if found is None:
                raise NoResponseError(error.message, "the same command looks for it again before it orders") from None
            ticket = found
        except NilError:  # an error response: nothing was accepted
            if not self.findable:  # else the next call looks for the task first, which is safer
                self._ledger.drop(entry)
            raise
        except BaseException:  # Ctrl-C while the connection is made, for one
            if not (connection.order_left or self.findable):
                self._ledger.drop(entry)
            raise
        connection.between_orders = nullcontext
        return self._record(entry, stage=Stage.UNDERWAY, ticket=ticket)

    def _recover(self, connection: Connection, entry: Entry) -> Entry | None:
        """The task of an order whose response an earlier process did not get; None if there is none."""
        if not self.findable:
            raise self._unknown(entry, f"{self.name} was sent an order at {entry.ordered}, and the response got lost")
        ticket = self.find(connection, entry.name)
        return self._record(entry, stage=Stage.UNDERWAY, ticket=ticket) if ticket else None

    def _unknown(self, entry: Entry, what: str) -> NoResponseError:
        record = self._ledger.path(entry.fingerprint)
        remove = f"rm {shlex.quote(str(record))}"
        return NoResponseError(what, f"look for it at {self.page}; to order (and pay) again: {remove}")

    def _wait_and_download(self, connection: Connection, entry: Entry, progress: Progress) -> tuple[Entry, Video]:
        status = self._wait(connection, entry, progress)
        partial = self._ledger.path(entry.fingerprint).with_suffix(".part.mp4")
        sha256, video = download(
            connection, self.name, status.url, lambda: self.poll(connection, entry.ticket).url, partial, progress
        )
        cost = {**entry.cost, "reported": status.cost}
        return self._record(entry, stage=Stage.STORED, sha256=sha256, cost=cost), video

    def _wait(self, connection: Connection, entry: Entry, progress: Progress) -> Status:
        backoff = self._clock.backoff(self.poll_seconds, factor=1.5)
        start = self._clock.now()
        while True:
            try:
                status = self.poll(connection, entry.ticket)
            except RejectedError as error:
                if error.kind not in TASK_ENDING:
                    raise
                moderated = error.kind is ErrorKind.MODERATED
                status = Status(State.MODERATED if moderated else State.FAILED, message=error.service_message)
            if status.state is State.DONE:
                return status
            if status.state not in WAITING:
                stage = Stage.MODERATED if status.state is State.MODERATED else Stage.FAILED
                cost = {**entry.cost, "reported": status.cost}
                words = self.keys.redact(status.message)
                raise self._task_error(self._record(entry, stage=stage, words=words, cost=cost))
            if status.progress is None:
                waited = min(self._clock.now() - start, self._deadline)
                progress(round(waited), round(self._deadline), f"{self.name}: {status.state}, seconds waited")
            else:
                progress(round(100 * status.progress), 100, f"{self.name}: {status.state}, percent")
            connection.pause(max(next(backoff), status.wait), f"the task is {status.state}")

    def _task_error(self, entry: Entry) -> NilError:
        message = brief(entry.words) or "no reason given"
        if entry.stage is Stage.MODERATED:
            hint = "say it in other words (--prompt), or use another generator; the same order would be refused again"
            return RejectedError(f"{self.name} refuses this order: {message}", hint, ErrorKind.MODERATED, message)
        return ServiceError(
            f"the task at {self.name} failed: {message}", "the same command orders again, and asks first"
        )

    def _record(self, entry: Entry, **changes: Any) -> Entry:
        try:
            return self._ledger.write(entry, **changes)
        except MachineError as error:  # it is paid: going on without a record is better than losing it
            entry = replace(entry, **changes)
            _log.warning("%s task %s is paid, and cannot be recorded: %s", self.name, _id(entry), error.message)
            return entry

    def _fingerprint(self, order: Order) -> str:
        return fingerprint(self.name, self._base_url, order.model, dict(order.body), order.frame, order.seed)

    def _finish(self, video: Video, order: Order, request: GenerationRequest, entry: Entry) -> Video:
        """Cut the video to the requested length, and add the square of the first frame and the facts."""
        length = len(video.frames) / video.fps
        if abs(length - order.seconds) > 0.1 * order.seconds:
            _log.warning("%s made %.1f s, but %.1f s were ordered", self.name, length, order.seconds)
        facts = {
            **video.facts,
            "vendor": self.name,
            "model": entry.model,
            "task": entry.ticket.get("id"),
            "ordered": entry.ordered,
            "request": dict(entry.request),
            "seed": order.seed if order.seeded else "not taken by this service",
            "cost": dict(entry.cost),
            "sha256": entry.sha256,
            "made": {"frames": len(video.frames), "seconds": round(length, 3)},
        }
        height, width = video.frames.shape[1:3]
        if abs(width / height * order.frame.shape[0] / order.frame.shape[1] - 1) > 0.02:
            _log.warning("%s made %d x %d, which is not the aspect of the first frame", self.name, width, height)
        kept = min(len(video.frames), math.ceil(request.seconds * video.fps - 1e-6) + 1)
        return replace(video, frames=video.frames[:kept], crop_box=central_square(width, height), facts=facts)


def _id(entry: Entry) -> str:
    return brief(str(entry.ticket["id"]))
