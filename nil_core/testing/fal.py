"""A fake of fal's queue, for the tests of every generator that uses it."""

from __future__ import annotations

from typing import Any

from nil_core.testing.fake_service import FakeProtocol, FakeResponse, ReceivedRequest, Task, image_of


class FalProtocol(FakeProtocol):
    """POST /{route}, GET the status URL, GET the response URL; the last two lack the last parts of the route.

    Args:
        fields: of the input, beside prompt and image.
    """

    key = "11111111-2222-3333-4444-555555555555:0123456789abcdef"

    def __init__(self, fields: set[str]) -> None:
        self._fields = fields

    def authorize(self, request: ReceivedRequest) -> FakeResponse | None:
        """fal uses ``Key``, not ``Bearer``."""
        return None if request.headers.get("Authorization") == f"Key {self.key}" else self.error_response("key")

    def is_order(self, request: ReceivedRequest) -> bool:
        """Orders are the POST requests."""
        return request.method == "POST"

    def read_order(self, request: ReceivedRequest, number: int) -> Task:
        """A JSON object with a data URI."""
        body = request.body
        assert {"prompt", "image_url"} <= set(body) <= {"prompt", "image_url", *self._fields}, sorted(body)
        assert body["image_url"].startswith("data:image/png;base64,")
        ordered: dict[str, Any] = {**body, "route": request.path.lstrip("/")}
        return Task(f"fal-{number:04}", ordered, image_of(body["image_url"]), float(body.get("duration", 3)))

    def order_accepted(self, task: Task) -> FakeResponse:
        """The URLs to poll."""
        owner, app = task.body["route"].split("/")[:2]
        url = f"{self.service.url}/{owner}/{app}/requests/{task.id}"
        return FakeResponse(
            {
                "request_id": task.id,
                "response_url": url,
                "status_url": f"{url}/status",
                "cancel_url": f"{url}/cancel",
                "status": "IN_QUEUE",
                "queue_position": 0,
            }
        )

    def task_response(self, request: ReceivedRequest) -> FakeResponse:
        """202 while waiting; COMPLETED for all ended tasks."""
        parts = request.path.strip("/").split("/")
        task = self.service.task(parts[3])
        assert task is not None and request.method == "GET" and parts[2] == "requests"
        if parts[-1] != "status":
            return self._response(task)
        state = self.service.state(task)
        if state == "queued":
            return FakeResponse({"status": "IN_QUEUE", "queue_position": 3}, 202)
        if state == "running":
            return FakeResponse({"status": "IN_PROGRESS", "logs": None}, 202)
        if state == "failed":
            return FakeResponse({"status": "COMPLETED", "error": "the GPU fell over", "error_type": "runner_error"})
        return FakeResponse({"status": "COMPLETED", "metrics": {"inference_time": 41.5}})

    def _response(self, task: Task) -> FakeResponse:
        if self.service.end == "moderated":
            return self.error_response("moderated")
        url = self.service.video_url(task)
        return FakeResponse(
            {"video": {"url": url, "content_type": "video/mp4", "file_name": "output.mp4", "file_size": 1}}
        )

    def error_response(self, kind: str) -> FakeResponse:
        """Errors of the infrastructure are a text, errors of a model a list."""
        model_error = {
            "loc": ["body", "prompt"],
            "msg": "refused by the safety checker",
            "type": "content_policy_violation",
        }
        return {
            "key": FakeResponse({"detail": "No user found for the key"}, 401),
            "credit": FakeResponse({"detail": "User is locked. Reason: Exhausted balance."}, 403),
            "rate limit": FakeResponse({"detail": "Too many requests"}, 429),
            "unavailable": FakeResponse({"detail": "runner lost", "error_type": "runner_disconnected"}, 503),
            "moderated": FakeResponse({"detail": [model_error]}, 422, {"X-Fal-Retryable": "false"}),
        }[kind]
