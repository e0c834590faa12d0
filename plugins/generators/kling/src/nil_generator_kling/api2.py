"""Kling's API 2.0: a static key, the model in the path, lists of tasks. It silently drops unknown fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nil_core.api import ConfigError, GenerationRequest
from nil_core.hosted import Connection, ErrorKind, Order, RejectedError, Status, Ticket, png_base64
from nil_generator_kling.base import IMAGE_LIMIT, Kling, status_of

RESOLUTIONS = {"std": "720p", "pro": "1080p"}


class KlingApi2(Kling):
    """The models ``kling-2...`` and ``kling-3...``: no negative prompt, no ``cfg_scale``, no seed."""

    def body(self, request: GenerationRequest, seconds: int) -> dict[str, Any]:
        """Sound and watermark are on unless they are switched off.

        Raises:
            ConfigError: a negative prompt, which would silently be dropped.
        """
        if request.negative_prompt:
            raise ConfigError(f"{self._options.model} takes no negative prompt", "leave it out, or use kling-v2-6")
        return {
            "contents": [{"type": "prompt", "text": request.prompt}],
            "settings": {"resolution": RESOLUTIONS[self._options.mode], "duration": seconds, "audio": "off"},
            "options": {"watermark_info": {"enabled": False}},
        }

    def headers(self) -> Mapping[str, str]:
        """The static key."""
        return {"Authorization": f"Bearer {self.keys.get('KLING_API_KEY').get_secret_value()}"}

    def create(self, connection: Connection, order: Order, name: str) -> Ticket:
        """The image is base64 without the prefix of a data URI."""
        frame = {"type": "first_frame", "url": png_base64(order.frame, IMAGE_LIMIT)}
        content = {
            **order.body,
            "contents": [*order.body["contents"], frame],
            "options": {**order.body["options"], "external_task_id": name},
        }
        return {"id": connection.post(f"image-to-video/{order.model}", json=content).require("data", "id")}

    def find(self, connection: Connection, name: str) -> Ticket | None:
        """By ``external_task_id``."""
        task = connection.get(f"tasks?external_task_ids={name}").find("data", 0, "id")
        return {"id": task} if task else None

    def poll(self, connection: Connection, ticket: Ticket) -> Status:
        """The response is a list with one task.

        Raises:
            RejectedError: the list is empty, so the task no longer exists.
        """
        response = connection.get(f"tasks?task_ids={ticket['id']}")
        if response.find("data") == []:
            raise RejectedError(
                "kling no longer has the task", kind=ErrorKind.NOT_FOUND, service_message="no such task"
            )
        return status_of(
            response.require("data", 0, "status"),
            response.find("data", 0, "outputs", 0, "url"),
            response.find("data", 0, "message") or "",
            response.find("data", 0, "billing", 0, "amount"),
        )
