"""Kling's API 2.0: a static key, the model in the path, lists of tasks. It drops fields it does not know in silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nil_core.api import ConfigError, GenerationRequest
from nil_core.hosted import Connection, Order, Refusal, Status, Ticket, Trouble, raw_base64
from nil_generator_kling.base import IMAGE_LIMIT, Kling, status_of

RESOLUTIONS = {"std": "720p", "pro": "1080p"}


class KlingApi2(Kling):
    """The models ``kling-2...`` and ``kling-3...``: no negative prompt, no scale, no seed."""

    def body(self, request: GenerationRequest, seconds: int) -> dict[str, Any]:
        """Sound and watermark are on unless they are refused.

        Raises:
            ConfigError: a negative prompt, which would be dropped in silence.
        """
        if request.negative_prompt:
            raise ConfigError(f"{self._options.model} takes no negative prompt", "leave it out, or take kling-v2-6")
        return {
            "contents": [{"type": "prompt", "text": request.prompt}],
            "settings": {"resolution": RESOLUTIONS[self._options.mode], "duration": seconds, "audio": "off"},
            "options": {"watermark_info": {"enabled": False}},
        }

    def headers(self) -> Mapping[str, str]:
        """The static key."""
        return {"Authorization": f"Bearer {self.keys.get('KLING_API_KEY').get_secret_value()}"}

    def create(self, connection: Connection, order: Order, name: str) -> Ticket:
        """The image is base64 without the head of a data URI."""
        frame = {"type": "first_frame", "url": raw_base64(order.frame, IMAGE_LIMIT)}
        content = {
            **order.body,
            "contents": [*order.body["contents"], frame],
            "options": {**order.body["options"], "external_task_id": name},
        }
        return {"id": connection.post(f"image-to-video/{order.model}", json=content).need("data", "id")}

    def find(self, connection: Connection, name: str) -> Ticket | None:
        """By the name we gave it."""
        task = connection.get(f"tasks?external_task_ids={name}").find("data", 0, "id")
        return {"id": task} if task else None

    def look(self, connection: Connection, ticket: Ticket) -> Status:
        """One task of a list.

        Raises:
            Refusal: it is not on the list, so it is gone.
        """
        reply = connection.get(f"tasks?task_ids={ticket['id']}")
        if reply.find("data") == []:
            raise Refusal("kling no longer knows the task", trouble=Trouble.MISSING, words="no such task")
        return status_of(
            reply.need("data", 0, "status"),
            reply.find("data", 0, "outputs", 0, "url"),
            reply.find("data", 0, "message") or "",
            reply.find("data", 0, "billing", 0, "amount"),
        )
