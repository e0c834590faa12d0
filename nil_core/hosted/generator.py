"""What all hosted generators do: order once, wait, fetch, keep. A plugin adds what its service speaks."""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from nil_core.errors import DataError, MachineError, NilError
from nil_core.hosted.clock import Clock
from nil_core.hosted.connection import Connection, Reply, brief, judge
from nil_core.hosted.download import download, stored
from nil_core.hosted.keys import Keys
from nil_core.hosted.ledger import Entry, Ledger, Stage
from nil_core.hosted.options import HostedOptions
from nil_core.hosted.tasks import WAITING, Order, State, Status, Ticket
from nil_core.hosted.troubles import NoAnswer, Refusal, Trouble, VendorError, Verdict
from nil_core.payment import Estimate
from nil_core.storage.cache import cache_root, fingerprint
from nil_core.types import GenerationRequest, Progress, Video
from nil_core.video.crop import central_square
from nil_core.video.files import read_video

_log = logging.getLogger(__name__)
ENDS = frozenset({Trouble.MODERATED, Trouble.INVALID, Trouble.MISSING})
"""Troubles of a question about a task that end the task."""


class HostedGenerator(ABC):
    """A generator behind somebody's HTTP interface (implements :class:`nil_core.interfaces.PaidGenerator`).

    A subclass is an adapter: what an order looks like (:meth:`order`), how it is sent (:meth:`create`), how its task is
    asked for (:meth:`look`), and what refusals mean (:meth:`judge`).

    Args:
        options: the plugin's.
        base_url: of the service.
        clock: time; tests bring their own.

    Attributes:
        name: of the generator.
        page: where a person manages keys and credit.
        poll_seconds: pause after the first question about a task; later ones grow.
        findable: the service finds a task by the name we gave it, see :meth:`find`.
    """

    name: ClassVar[str]
    page: ClassVar[str]
    poll_seconds: ClassVar[float] = 2.0
    findable: ClassVar[bool] = False

    def __init__(self, options: HostedOptions, base_url: str, clock: Clock | None = None) -> None:
        self._base_url = base_url
        self._deadline = options.deadline
        self._clock = clock or Clock()
        self._ahead = 0.0
        self._ledger = Ledger(cache_root() / "hosted" / self.name)
        self.keys = Keys(self.page)

    @abstractmethod
    def order(self, request: GenerationRequest) -> Order:
        """What to send for a request, and what it costs.

        Raises:
            ConfigError: the service cannot make what is asked; what it can, is named.
        """

    @abstractmethod
    def headers(self) -> Mapping[str, str]:
        """The headers that carry the key; called for every request.

        Raises:
            ConfigError: there is no key.
        """

    @abstractmethod
    def create(self, connection: Connection, order: Order, name: str) -> Ticket:
        """Send the order, under a name of ours where the service takes one. This is what costs money."""

    @abstractmethod
    def look(self, connection: Connection, ticket: Ticket) -> Status:
        """Ask how a task stands."""

    def find(self, connection: Connection, name: str) -> Ticket | None:
        """The task that has our name, None if there is none; only where :attr:`findable`."""
        raise NotImplementedError

    def judge(self, reply: Reply) -> Verdict | None:
        """What an answer means; None is a success."""
        return judge(reply, reply.text)

    def now(self) -> float:
        """Seconds since 1970, by the service's clock once it has complained of ours."""
        return self._clock.now() + self._ahead

    def _resign(self, server_time: float) -> None:
        self._ahead = server_time - self._clock.now()

    def estimate(self, request: GenerationRequest) -> Estimate:
        """What :meth:`generate` would spend, and that there is a key to order with.

        Raises:
            ConfigError: no key, or an order that the service cannot take.
        """
        order = self.order(request)
        entry = self._ledger.read(self._fingerprint(order))
        if entry is not None and entry.stage not in (Stage.ORDERING, Stage.FAILED):
            return replace(order.estimate, money=0.0)
        self.headers()
        return order.estimate

    def generate(self, request: GenerationRequest, progress: Progress) -> Video:
        """Order the video, or go on with what was ordered before; see :class:`nil_core.interfaces.VideoGenerator`.

        The task's id is on disk before the first question about it: a crash, Ctrl-C or the deadline costs nothing.

        Raises:
            ConfigError: no key, or what the service cannot make.
            Refusal: wrong key, no credit, moderated, or a wrong request; in the service's words.
            VendorError: the service failed, has not finished at the deadline, or its file stays damaged.
        """
        order = self.order(request)
        key = self._fingerprint(order)
        with self._ledger.held(key):
            entry = self._ledger.read(key)
            video = self._stored(entry, progress)
            if entry is None or video is None:
                entry, video = self._obtain(order, key, entry, progress)
        return self._delivered(video, order, request, entry)

    def _stored(self, entry: Entry | None, progress: Progress) -> Video | None:
        """The video of an earlier call, None if there is none, or it is damaged and has to be fetched again."""
        if entry is None or entry.stage is not Stage.STORED:
            return None
        progress(1, 1, f"{self.name}: task {entry.ticket['id']} is paid already")
        try:
            return read_video(stored(entry.sha256))
        except DataError:
            return None

    def _obtain(self, order: Order, key: str, entry: Entry | None, progress: Progress) -> tuple[Entry, Video]:
        """Order or find the task, wait for it, fetch its video."""
        connection = Connection(
            self.name, self.page, self._base_url, self.headers, self.judge, self._resign, self.keys.redact,
            self._clock, self._deadline,
        )  # fmt: skip
        try:
            if entry is None or entry.stage is Stage.FAILED:
                entry = self._order(connection, order, self._new_entry(order, key))
            elif entry.stage is Stage.ORDERING:
                entry = self._recover(connection, entry) or self._order(connection, order, entry)
            progress(1, 1, f"{self.name}: task {entry.ticket['id']} is ordered, and noted")
            return self._await(connection, entry, progress)
        except KeyboardInterrupt:
            _log.warning("what is ordered of %s is kept: the same command goes on, and pays nothing twice", self.name)
            raise
        finally:
            connection.close()

    def _new_entry(self, order: Order, key: str) -> Entry:
        cost = {"estimate": order.estimate.money, "currency": order.estimate.currency}
        return Entry(key, self.name, order.model, request=order.body, cost=cost)

    def _order(self, connection: Connection, order: Order, entry: Entry) -> Entry:
        """Note, send, note: whatever happens in between, the next call knows of it."""
        self._ledger.write(entry)
        try:
            ticket = self.create(connection, order, entry.name)
        except NoAnswer as error:
            if not self.findable:
                raise self._unknown(entry, f"{error.message}; it may have been taken") from None
            connection.pause(self.poll_seconds, "looking for a task without an answer")
            found = self.find(connection, entry.name)
            if found is None:
                raise NoAnswer(error.message, "the same command looks for it again before it orders") from None
            ticket = found
        except NilError:  # an answer that is no: nothing was taken
            if not self.findable:  # else the next call looks for it first, which is safer still
                self._ledger.drop(entry)
            raise
        return self._note(entry, stage=Stage.UNDERWAY, ticket=ticket)

    def _recover(self, connection: Connection, entry: Entry) -> Entry | None:
        """The task of an order whose answer was lost with an earlier process; None if there is none."""
        if not self.findable:
            raise self._unknown(entry, f"{self.name} was sent an order at {entry.ordered}, and nobody saw the answer")
        ticket = self.find(connection, entry.name)
        return self._note(entry, stage=Stage.UNDERWAY, ticket=ticket) if ticket else None

    def _unknown(self, entry: Entry, what: str) -> NoAnswer:
        note = self._ledger.path(entry.fingerprint)
        return NoAnswer(what, f"look for it at {self.page}; to order (and pay) anew: rm {note}")

    def _await(self, connection: Connection, entry: Entry, progress: Progress) -> tuple[Entry, Video]:
        status = self._wait(connection, entry, progress)
        part = self._ledger.path(entry.fingerprint).with_suffix(".part.mp4")
        sha256, video = download(
            connection, self.name, status.url, lambda: self.look(connection, entry.ticket).url, part, progress
        )
        cost = {**entry.cost, "reported": status.cost}
        return self._note(entry, stage=Stage.STORED, sha256=sha256, cost=cost), video

    def _wait(self, connection: Connection, entry: Entry, progress: Progress) -> Status:
        backoff = self._clock.backoff(self.poll_seconds, factor=1.5)
        began = self._clock.now()
        while True:
            try:
                status = self.look(connection, entry.ticket)
            except Refusal as refusal:
                if refusal.trouble not in ENDS:
                    raise
                moderated = refusal.trouble is Trouble.MODERATED
                status = Status(State.MODERATED if moderated else State.FAILED, words=refusal.words)
            if status.state is State.DONE:
                return status
            if status.state not in WAITING:
                stage = Stage.MODERATED if status.state is State.MODERATED else Stage.FAILED
                cost = {**entry.cost, "reported": status.cost}
                raise self._ended(self._note(entry, stage=stage, words=self.keys.redact(status.words), cost=cost))
            if status.progress is None:
                waited = min(self._clock.now() - began, self._deadline)
                progress(round(waited), round(self._deadline), f"{self.name}: {status.state}, seconds waited")
            else:
                progress(round(100 * status.progress), 100, f"{self.name}: {status.state}, per cent")
            connection.pause(max(next(backoff), status.wait), f"the task is {status.state}")

    def _ended(self, entry: Entry) -> NilError:
        words = brief(entry.words) or "no reason given"
        if entry.stage is Stage.MODERATED:
            hint = "say it in other words (--prompt), or take another generator; the same order would be refused again"
            return Refusal(f"{self.name} refuses what is asked: {words}", hint, Trouble.MODERATED, words)
        return VendorError(f"{self.name} failed at it: {words}", "the same command orders anew, and asks first")

    def _note(self, entry: Entry, **changes: Any) -> Entry:
        try:
            return self._ledger.write(entry, **changes)
        except MachineError as error:  # it is paid: better to go on without a note than to lose it
            entry = replace(entry, **changes)
            _log.warning("%s task %s is paid, and cannot be noted: %s", self.name, entry.ticket["id"], error.message)
            return entry

    def _fingerprint(self, order: Order) -> str:
        return fingerprint(self.name, self._base_url, order.model, dict(order.body), order.frame, order.seed)

    def _delivered(self, video: Video, order: Order, request: GenerationRequest, entry: Entry) -> Video:
        """The length that was asked for, where the first frame lies in it, and where it all came from."""
        length = len(video.frames) / video.fps
        if abs(length - order.seconds) > 0.1 * order.seconds:
            _log.warning("%s made %.1f s, and %.1f s were ordered", self.name, length, order.seconds)
        facts = {
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
