"""The queue protocol of fal.ai, for every generator that is reached through it.

Source: fal-client 1.0.3 and fal's documentation of its queue.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from nil_core.hosted.connection import Connection, Reply, judge, unseemly
from nil_core.hosted.generator import HostedGenerator
from nil_core.hosted.images import data_uri
from nil_core.hosted.tasks import Order, State, Status, Ticket
from nil_core.hosted.troubles import Trouble, Verdict

QUEUE = "https://queue.fal.run"
IMAGE_LIMIT = 10_000_000  # bytes; fal states none for data URIs
STATES = {"IN_QUEUE": State.QUEUED, "IN_PROGRESS": State.RUNNING}


class FalQueue(HostedGenerator):
    """A model at fal.ai. A subclass says which: the order's ``model`` is the route, its ``body`` the model's input."""

    page = "https://fal.ai/dashboard"

    def headers(self) -> Mapping[str, str]:
        """``Key``, not ``Bearer``."""
        return {"Authorization": f"Key {self.keys.get('FAL_KEY').get_secret_value()}"}

    def create(self, connection: Connection, order: Order, name: str) -> Ticket:
        """The returned URLs are kept: they lack the route's last parts."""
        body = {**order.body, "image_url": data_uri(order.frame, IMAGE_LIMIT)}
        reply = connection.post(order.model, json=body)
        return {"id": reply.need("request_id"), **{key: reply.need(key) for key in ("status_url", "response_url")}}

    def look(self, connection: Connection, ticket: Ticket) -> Status:
        """COMPLETED means over, not well: the response has the video, or the error."""
        reply = connection.get(ticket["status_url"])
        word = reply.need("status")
        if word in STATES:
            return Status(STATES[word])
        if error := reply.find("error"):
            words = f"{error} ({reply.find('error_type') or 'no type'})"
            return Status(State.MODERATED if unseemly(words) else State.FAILED, words=words)
        return Status(State.DONE, url=connection.get(ticket["response_url"]).need("video", "url"))

    def judge(self, reply: Reply) -> Verdict | None:
        """Errors of a model are a list with types, those of the infrastructure one text."""
        detail = reply.find("detail")
        words = detail if isinstance(detail, str) else json.dumps(detail) if detail else reply.text
        kinds = {each.get("type") for each in detail if isinstance(each, dict)} if isinstance(detail, list) else set()
        if "content_policy_violation" in kinds:
            return Verdict(Trouble.MODERATED, words)
        if reply.status >= 500 and reply.headers.get("x-fal-retryable") == "false":
            return Verdict(Trouble.INVALID, words)
        return judge(reply, words)
