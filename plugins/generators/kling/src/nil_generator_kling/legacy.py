"""Kling's legacy API: a JWT in the header, the model in the body, ``succeed`` for success."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt

from nil_core.api import GenerationRequest
from nil_core.hosted import Connection, ErrorKind, Order, RejectedError, Response, Status, Ticket, png_base64
from nil_generator_kling.base import IMAGE_LIMIT, Kling, status_of

ROUTE = "v1/videos/image2video"
TOKEN_LIFETIME = 1800  # s, as in the vendor's example
TOKEN_LEEWAY = 5  # a token is valid from so many seconds before now


class KlingLegacy(Kling):
    """The models ``kling-v...``."""

    def body(self, request: GenerationRequest, seconds: int) -> dict[str, Any]:
        """The length is a string; sound and watermark are switched off for models that have them."""
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
        """A token that is signed for each request, by the service's clock, because a long wait outlasts one token."""
        access, secret = self.keys.get("KLING_ACCESS_KEY"), self.keys.get("KLING_SECRET_KEY")
        now = int(self.now())
        claims = {"iss": access.get_secret_value(), "exp": now + TOKEN_LIFETIME, "nbf": now - TOKEN_LEEWAY}
        token = self.keys.add_secret(jwt.encode(claims, secret.get_secret_value(), algorithm="HS256"))
        return {"Authorization": f"Bearer {token.get_secret_value()}"}

    def create(self, connection: Connection, order: Order, name: str) -> Ticket:
        """The image is base64 without the prefix of a data URI."""
        content = {**order.body, "image": png_base64(order.frame, IMAGE_LIMIT), "external_task_id": name}
        return {"id": connection.post(ROUTE, json=content).require("data", "task_id")}

    def find(self, connection: Connection, name: str) -> Ticket | None:
        """The path takes our name in place of the task's id."""
        try:
            return {"id": connection.get(f"{ROUTE}/{name}").require("data", "task_id")}
        except RejectedError as error:
            if error.kind not in (ErrorKind.NOT_FOUND, ErrorKind.INVALID_REQUEST):
                raise
            return None

    def poll(self, connection: Connection, ticket: Ticket) -> Status:
        """The service keeps videos for thirty days."""
        response: Response = connection.get(f"{ROUTE}/{ticket['id']}")
        return status_of(
            response.require("data", "task_status"),
            response.find("data", "task_result", "videos", 0, "url"),
            response.find("data", "task_status_msg") or "",
            response.find("data", "final_unit_deduction"),
        )
