"""fal's queue on loopback, for the tests of every generator that is reached through it."""

from __future__ import annotations

from typing import Any

from nil_core.testing.vendor import Answer, Call, Protocol, Task, image_of


class FalProtocol(Protocol):
    """POST /{route}, GET the status URL, GET the response URL; the latter two lack the route's last parts.

    Args:
        fields: what the routes take beside prompt and image.
    """

    key = "11111111-2222-3333-4444-555555555555:0123456789abcdef"

    def __init__(self, fields: set[str]) -> None:
        self._fields = fields

    def authorised(self, call: Call) -> Answer | None:
        """The word is ``Key``."""
        return None if call.headers.get("Authorization") == f"Key {self.key}" else self.refusal("key")

    def is_order(self, call: Call) -> bool:
        """By the method."""
        return call.method == "POST"

    def take(self, call: Call, number: int) -> Task:
        """A JSON object with a data URI."""
        body = call.body
        assert {"prompt", "image_url"} <= set(body) <= {"prompt", "image_url", *self._fields}, sorted(body)
        assert body["image_url"].startswith("data:image/png;base64,")
        ordered: dict[str, Any] = {**body, "route": call.path.lstrip("/")}
        return Task(f"fal-{number:04}", ordered, image_of(body["image_url"]), float(body.get("duration", 3)))

    def taken(self, task: Task) -> Answer:
        """The URLs to ask."""
        owner, app = task.body["route"].split("/")[:2]
        url = f"{self.service.url}/{owner}/{app}/requests/{task.id}"
        return Answer(
            {
                "request_id": task.id,
                "response_url": url,
                "status_url": f"{url}/status",
                "cancel_url": f"{url}/cancel",
                "status": "IN_QUEUE",
                "queue_position": 0,
            }
        )

    def answer(self, call: Call) -> Answer:
        """202 while waiting; COMPLETED for all that is over."""
        parts = call.path.strip("/").split("/")
        task = self.service.task(parts[3])
        assert task is not None and call.method == "GET" and parts[2] == "requests"
        if parts[-1] != "status":
            return self._response(task)
        state = self.service.state(task)
        if state == "queued":
            return Answer({"status": "IN_QUEUE", "queue_position": 3}, 202)
        if state == "running":
            return Answer({"status": "IN_PROGRESS", "logs": None}, 202)
        if state == "failed":
            return Answer({"status": "COMPLETED", "error": "the GPU fell over", "error_type": "runner_error"})
        return Answer({"status": "COMPLETED", "metrics": {"inference_time": 41.5}})

    def _response(self, task: Task) -> Answer:
        if self.service.end == "moderated":
            return self.refusal("moderated")
        url = self.service.film_url(task)
        return Answer({"video": {"url": url, "content_type": "video/mp4", "file_name": "output.mp4", "file_size": 1}})

    def refusal(self, kind: str) -> Answer:
        """Infrastructure: a text. Models: a list of complaints."""
        complaint = {
            "loc": ["body", "prompt"],
            "msg": "refused by the safety checker",
            "type": "content_policy_violation",
        }
        return {
            "key": Answer({"detail": "No user found for the key"}, 401),
            "credit": Answer({"detail": "User is locked. Reason: Exhausted balance."}, 403),
            "slow down": Answer({"detail": "Too many requests"}, 429),
            "busy": Answer({"detail": "runner lost", "error_type": "runner_disconnected"}, 503),
            "moderated": Answer({"detail": [complaint]}, 422, {"X-Fal-Retryable": "false"}),
        }[kind]
