"""The queue protocol of fal.ai, for every generator that uses it.

Source: fal-client 1.0.3 and fal's documentation of its queue.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from nil_core.hosted.connection import Connection
from nil_core.hosted.errors import ErrorKind, ErrorResponse
from nil_core.hosted.generator import HostedGenerator
from nil_core.hosted.images import data_uri
from nil_core.hosted.responses import Response, classify_http_error, mentions_moderation
from nil_core.hosted.tasks import Order, State, Status, Ticket

IMAGE_LIMIT = 10_000_000  # bytes; fal states none for data URIs
STATES = {"IN_QUEUE": State.QUEUED, "IN_PROGRESS": State.RUNNING}


class FalQueue(HostedGenerator):
    """A model at fal.ai. In the order of a subclass, ``model`` is the route and ``body`` the model's input."""

    page = "https://fal.ai/dashboard"

    def headers(self) -> Mapping[str, str]:
        """fal uses ``Key``, not ``Bearer``."""
        return {"Authorization": f"Key {self.keys.get('FAL_KEY').get_secret_value()}"}

    def create(self, connection: Connection, order: Order, name: str) -> Ticket:
        """The returned URLs are stored, because they lack the last parts of the route."""
        body = {**order.body, "image_url": data_uri(order.frame, IMAGE_LIMIT)}
        response = connection.post(order.model, json=body)
        return {
            "id": response.require("request_id"),
            **{key: response.require(key) for key in ("status_url", "response_url")},
        }

    def poll(self, connection: Connection, ticket: Ticket) -> Status:
        """COMPLETED means ended, also by an error: the response has the video or the error."""
        response = connection.get(ticket["status_url"])
        status = response.require("status")
        if status in STATES:
            return Status(STATES[status])
        if error := response.find("error"):
            message = f"{error} ({response.find('error_type') or 'no type'})"
            return Status(State.MODERATED if mentions_moderation(message) else State.FAILED, message=message)
        return Status(State.DONE, url=connection.get(ticket["response_url"]).require("video", "url"))

    def classify_error(self, response: Response) -> ErrorResponse | None:
        """Errors of a model are a list with types, errors of the infrastructure one text."""
        detail = response.find("detail")
        message = detail if isinstance(detail, str) else json.dumps(detail) if detail else response.text
        types = {each.get("type") for each in detail if isinstance(each, dict)} if isinstance(detail, list) else set()
        if "content_policy_violation" in types:
            return ErrorResponse(ErrorKind.MODERATED, message)
        if response.status >= 500 and response.headers.get("x-fal-retryable") == "false":
            return ErrorResponse(ErrorKind.INVALID_REQUEST, message)
        return classify_http_error(response, message)
