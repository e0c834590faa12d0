"""Kling's first protocol: a JWT in the header, the model in the body, ``succeed`` for success."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt

from nil_core.api import GenerationRequest
from nil_core.hosted import Connection, Order, Refusal, Reply, Status, Ticket, Trouble, raw_base64
from nil_generator_kling.base import IMAGE_LIMIT, Kling, status_of

ROUTE = "v1/videos/image2video"
LIFE = 1800  # s that a token is valid, and how early it begins to be, as in the vendor's example
EARLY = 5


class KlingLegacy(Kling):
    """The models ``kling-v...``."""

    def body(self, request: GenerationRequest, seconds: int) -> dict[str, Any]:
        """The length is a string; sound and watermark are refused where a model has them."""
        options = self._options
        body: dict[str, Any] = {
            "model_name": options.model,
            "mode": options.mode,
            "duration": str(seconds),
            "prompt": request.prompt,
            "watermark_info": {"enabled": False},
        }
        if request.negative_prompt:
            body["negative_prompt"] = request.negative_prompt
        if options.cfg_scale is not None:
            body["cfg_scale"] = options.cfg_scale
        if options.model in ("kling-v2-6", "kling-v3"):
            body["sound"] = "off"
        return body

    def headers(self) -> Mapping[str, str]:
        """A token signed now, by the service's clock: a long wait outlives one."""
        access, secret = self.keys.get("KLING_ACCESS_KEY"), self.keys.get("KLING_SECRET_KEY")
        now = int(self.now())
        claims = {"iss": access.get_secret_value(), "exp": now + LIFE, "nbf": now - EARLY}
        token = self.keys.hide(jwt.encode(claims, secret.get_secret_value(), algorithm="HS256"))
        return {"Authorization": f"Bearer {token.get_secret_value()}"}

    def create(self, connection: Connection, order: Order, name: str) -> Ticket:
        """The image is base64 without the head of a data URI."""
        content = {**order.body, "image": raw_base64(order.frame, IMAGE_LIMIT), "external_task_id": name}
        return {"id": connection.post(ROUTE, json=content).need("data", "task_id")}

    def find(self, connection: Connection, name: str) -> Ticket | None:
        """Our name stands in the path where the task's id does."""
        try:
            return {"id": connection.get(f"{ROUTE}/{name}").need("data", "task_id")}
        except Refusal as refusal:
            if refusal.trouble not in (Trouble.MISSING, Trouble.INVALID):
                raise
            return None

    def look(self, connection: Connection, ticket: Ticket) -> Status:
        """The videos are kept for thirty days."""
        reply: Reply = connection.get(f"{ROUTE}/{ticket['id']}")
        return status_of(
            reply.need("data", "task_status"),
            reply.find("data", "task_result", "videos", 0, "url"),
            reply.find("data", "task_status_msg") or "",
            reply.find("data", "final_unit_deduction"),
        )
