"""The client of Sora's protocol against a fake that behaves as OpenAI documented, with faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import pytest

from nil_core.api import ConfigError
from nil_core.testing import check_card
from nil_core.testing.fake_service import FakeProtocol, FakeResponse, ReceivedRequest, Task, image_of
from nil_core.testing.hosted import CHECKS, Bench, check_no_key, hosted_request
from nil_core.testing.paid_runs import check_run
from nil_generator_sora import CARD, SoraOptions
from nil_generator_sora.service import Sora

STATUS = {
    "queued": "queued",
    "running": "in_progress",
    "done": "completed",
    "failed": "failed",
    "moderated": "failed",
}


def error(status: int, code: str | None, message: str) -> FakeResponse:
    return FakeResponse(
        {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}, status
    )


class SoraProtocol(FakeProtocol):
    """POST /videos (a form), GET /videos/{id}, GET /videos/{id}/content."""

    key = "sk-proj-0123456789abcdefghij"

    def authorize(self, request: ReceivedRequest) -> FakeResponse | None:
        return None if request.headers.get("Authorization") == f"Bearer {self.key}" else self.error_response("key")

    def is_order(self, request: ReceivedRequest) -> bool:
        return request.method == "POST"

    def read_order(self, request: ReceivedRequest, number: int) -> Task:
        assert request.path == "/videos"
        form = BytesParser(policy=HTTP).parsebytes(
            f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode() + request.content
        )
        fields: dict[str, Any] = {}
        for part in form.iter_parts():
            fields[part.get_param("name", header="content-disposition")] = part.get_payload(decode=True)
        frame = image_of(fields.pop("input_reference"))
        body = {name: value.decode() for name, value in fields.items()}
        assert set(body) == {"model", "prompt", "seconds", "size"} and body["seconds"] in ("4", "8", "12")
        assert body["size"] == f"{frame.shape[1]}x{frame.shape[0]}"
        return Task(f"video_{number:04}", body, frame, float(body["seconds"]))

    def video(self, task: Task, status: str) -> dict[str, Any]:
        known = {name: task.body[name] for name in ("model", "prompt", "seconds", "size")}
        return {"id": task.id, "object": "video", "status": status, "progress": 0, "error": None, **known}

    def order_accepted(self, task: Task) -> FakeResponse:
        return FakeResponse(self.video(task, "queued"))

    def task_response(self, request: ReceivedRequest) -> FakeResponse:
        task = self.service.task(request.path.removeprefix("/videos/"))
        assert task is not None and request.method == "GET"
        state = self.service.state(task)
        body = self.video(task, STATUS[state])
        if state == "running":
            body["progress"] = 40
        if state == "failed":
            body["error"] = {"code": "internal_error", "message": "the GPU fell over"}
        if state == "moderated":
            body["error"] = {"code": "moderation_blocked", "message": "blocked by the safety system"}
        return FakeResponse(body, headers={"openai-poll-after-ms": "11000"})

    def error_response(self, kind: str) -> FakeResponse:
        return {
            "key": error(401, "invalid_api_key", "Incorrect API key provided"),
            "credit": error(429, "insufficient_quota", "You exceeded your current quota"),
            "rate limit": error(429, "rate_limit_exceeded", "Rate limit reached for your quota tier"),
            "unavailable": error(500, None, "The server had an error"),
            "moderated": error(400, "moderation_blocked", "rejected by the safety system"),
        }[kind]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("NIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SORA_API_KEY", SoraProtocol.key)
    bench = Bench("sora", Sora, {}, SoraProtocol())
    yield bench
    bench.service.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Bench], None], bench: Bench) -> None:
    check(bench)


def test_no_key(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    check_no_key(bench, monkeypatch.delenv)


def test_run(bench: Bench) -> None:
    check_run(bench)


def test_without_a_url_the_error_explains_why() -> None:
    with pytest.raises(ConfigError, match="2026-09-24") as error_info:
        Sora(SoraOptions())
    assert "generator.base_url" in error_info.value.hint


def test_waits_as_long_as_the_service_asks(bench: Bench) -> None:
    bench.generate()
    assert min(bench.slept) >= 11


def test_a_withdrawn_model_is_reported(bench: Bench) -> None:
    bench.service.order_faults.append(lambda: error(404, "model_not_found", "The model sora-2 does not exist"))
    assert "The model sora-2 does not exist" in str(bench.failure()) and bench.paid == 0


def test_impossible_requests_and_options_are_rejected(bench: Bench) -> None:
    for change, message in (({"negative_prompt": "blur"}, "negative"), ({"seconds": 12.5}, "4, 8, 12 s")):
        with pytest.raises(ConfigError, match=message):
            bench.generator().estimate(hosted_request(**change))
    with pytest.raises(ValueError, match="1280x720"):
        SoraOptions(size="960x960")  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["http://gateway.example/v1", "gateway.example", "ftp://x", "https://", "https:// x"])
def test_the_key_is_never_sent_unencrypted(url: str) -> None:
    with pytest.raises(ValueError, match=r"starts with https://, as in https://HOST .* http://127\.0\.0\.1"):
        SoraOptions(base_url=url)


def test_price_is_unknown_unless_given(bench: Bench) -> None:
    assert bench.generator().estimate(hosted_request()).amount is None
    bench.options = {"price": 0.1}
    assert bench.generator().estimate(hosted_request()).amount == 0.4


def test_card() -> None:
    check_card(CARD)
    assert CARD.price and CARD.license
