"""The clients of Kling's two APIs against fakes that follow the documentation, with faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from nil_core.api import ConfigError
from nil_core.hosted import RejectedError
from nil_core.testing import check_card
from nil_core.testing.fake_service import FakeProtocol, FakeResponse, ReceivedRequest, Task, image_of
from nil_core.testing.hosted import CHECKS, Bench, check_no_key, hosted_request
from nil_core.testing.paid_runs import check_run
from nil_generator_kling import CARD, KlingOptions
from nil_generator_kling.models import MODELS
from nil_generator_kling.service import kling

ACCESS = "AkLoopback0123456789"


def kling_response(code: int, message: str, data: Any = None, status: int = 200) -> FakeResponse:
    return FakeResponse({"code": code, "message": message, "request_id": "r-1", "data": data}, status)


class KlingProtocol(FakeProtocol):
    """The error codes that both APIs share."""

    def error_response(self, kind: str) -> FakeResponse:
        return {
            "key": kling_response(1002, "the key is invalid", status=401),
            "credit": kling_response(1102, "resource pack exhausted", status=429),
            "rate limit": kling_response(1303, "parallel task over resource pack limit", status=429),
            "unavailable": kling_response(5001, "in maintenance", status=503),
            "moderated": kling_response(1301, "content safety policy", status=400),
        }[kind]

    def unique(self, name: str) -> str:
        assert name and all(task.name != name for task in self.service.tasks), "external ids are unique in an account"
        return name


class LegacyProtocol(KlingProtocol):
    """/v1/videos/image2video."""

    key = "SkLoopback-0123456789abcdef-0123456789"

    def authorize(self, request: ReceivedRequest) -> FakeResponse | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            unchecked = {"verify_exp": False, "verify_nbf": False}
            claims = jwt.decode(token, self.key, algorithms=["HS256"], options=unchecked)
        except jwt.InvalidTokenError:
            return self.error_response("key")
        assert claims["iss"] == ACCESS and claims["exp"] - claims["nbf"] == 1805
        if claims["nbf"] > self.service.now():
            return kling_response(1003, "not valid yet", status=401)
        return kling_response(1004, "expired", status=401) if claims["exp"] < self.service.now() else None

    def is_order(self, request: ReceivedRequest) -> bool:
        return (request.method, request.path) == ("POST", "/v1/videos/image2video")

    def read_order(self, request: ReceivedRequest, number: int) -> Task:
        body = request.body
        assert isinstance(body["duration"], str) and "aspect_ratio" not in body and "seed" not in body
        frame = image_of(body["image"])  # no "data:" before it
        assert min(frame.shape[:2]) >= 300 and body["watermark_info"] == {"enabled": False}
        return Task(f"task{number}", body, frame, float(body["duration"]), self.unique(body["external_task_id"]))

    def order_accepted(self, task: Task) -> FakeResponse:
        return kling_response(0, "SUCCEED", self.data(task, "submitted"))

    def data(self, task: Task, status: str) -> dict[str, Any]:
        return {"task_id": task.id, "task_info": {"external_task_id": task.name}, "task_status": status}

    def task_response(self, request: ReceivedRequest) -> FakeResponse:
        task = self.service.task(request.path.removeprefix("/v1/videos/image2video/"))
        if task is None:
            return kling_response(1203, "no such task", status=404)
        state = self.service.state(task)
        names = {"queued": "submitted", "running": "processing", "done": "succeed"}
        data = self.data(task, names.get(state, "failed"))
        if state == "done":
            film = {"id": "v1", "url": self.service.video_url(task), "duration": "5.1"}
            data |= {"task_result": {"videos": [film]}, "final_unit_deduction": "2"}
        if state in ("failed", "moderated"):
            data["task_status_msg"] = "the GPU fell over" if state == "failed" else "hits the platform's safety rules"
        return kling_response(0, "SUCCEED", data)


class Api2Protocol(KlingProtocol):
    """/image-to-video/{model}, /tasks."""

    key = "api-key-kling-0123456789abcdef"

    def authorize(self, request: ReceivedRequest) -> FakeResponse | None:
        return None if request.headers.get("Authorization") == f"Bearer {self.key}" else self.error_response("key")

    def is_order(self, request: ReceivedRequest) -> bool:
        return request.method == "POST"

    def read_order(self, request: ReceivedRequest, number: int) -> Task:
        body = request.body
        assert request.path.startswith("/image-to-video/kling-") and set(body) == {"contents", "settings", "options"}
        contents = {each["type"]: each for each in body["contents"]}
        assert set(contents) == {"prompt", "first_frame"} and isinstance(body["settings"]["duration"], int)
        assert body["settings"]["audio"] == "off" and body["options"]["watermark_info"] == {"enabled": False}
        frame = image_of(contents["first_frame"]["url"])
        name = self.unique(body["options"]["external_task_id"])
        return Task(f"task{number}", {**body, "path": request.path}, frame, body["settings"]["duration"], name)

    def order_accepted(self, task: Task) -> FakeResponse:
        return kling_response(0, "SUCCEED", {"id": task.id, "status": "submitted"})

    def task_response(self, request: ReceivedRequest) -> FakeResponse:
        path, _, query = request.path.partition("?")
        field, _, value = query.partition("=")
        assert path == "/tasks" and field in ("task_ids", "external_task_ids")
        task = self.service.task(value)
        if task is None:
            return kling_response(0, "SUCCEED", [])
        if field == "external_task_ids":
            return kling_response(0, "SUCCEED", [{"id": task.id, "status": "submitted"}])
        state = self.service.state(task)
        names = {"queued": "submitted", "running": "processing", "done": "succeeded"}
        data: dict[str, Any] = {"id": task.id, "status": names.get(state, "failed"), "message": ""}
        if state == "done":
            film = {"type": "video", "id": "v1", "url": self.service.video_url(task), "duration": "5.1"}
            data |= {"outputs": [film], "billing": [{"amount": 1.5}]}
        if state in ("failed", "moderated"):
            data["message"] = "the GPU fell over" if state == "failed" else "hits the platform's safety rules"
        return kling_response(0, "SUCCEED", [data])


@pytest.fixture(params=["legacy", "api2"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("NIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("KLING_ACCESS_KEY", ACCESS)
    monkeypatch.setenv("KLING_SECRET_KEY", LegacyProtocol.key)
    monkeypatch.setenv("KLING_API_KEY", Api2Protocol.key)
    legacy = request.param == "legacy"
    options = {"model": "kling-v1-6" if legacy else "kling-3.0"}
    bench = Bench("kling", kling, options, LegacyProtocol() if legacy else Api2Protocol())
    yield bench
    bench.service.close()


legacy_only = pytest.mark.parametrize("bench", ["legacy"], indirect=True)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Bench], None], bench: Bench) -> None:
    check(bench)


def test_no_key(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    check_no_key(bench, monkeypatch.delenv)


def test_run(bench: Bench) -> None:
    check_run(bench)


@legacy_only
@pytest.mark.parametrize("skew", [-7200, 7200])
def test_a_wrong_clock_is_corrected(bench: Bench, skew: float) -> None:
    bench.service.now = lambda: bench.time + skew
    bench.generate()
    assert bench.paid == 1


@legacy_only
def test_a_clock_that_stays_wrong_is_reported(bench: Bench) -> None:
    bench.service.order_faults.extend([lambda: kling_response(1004, "expired", status=401)] * 2)
    error = bench.failure()
    assert isinstance(error, RejectedError) and "clock" in error.hint and bench.paid == 0


@legacy_only
def test_a_long_wait_outlasts_one_token(bench: Bench) -> None:
    bench.options = {"deadline": 9000.0}
    bench.service.poll_faults.extend([bench.error_response("rate limit", Retry_After="2000")] * 3)
    bench.generate()
    assert bench.paid == 1


@legacy_only
def test_errors_with_http_200_are_detected(bench: Bench) -> None:
    bench.service.order_faults.extend(
        [lambda: kling_response(5000, "server error"), lambda: kling_response(1201, "bad duration")]
    )
    assert "bad duration (code 1201)" in str(bench.failure()) and bench.paid == 0


def test_an_order_that_never_arrived_is_sent_again(bench: Bench) -> None:
    def no_response() -> FakeResponse:
        return FakeResponse([], 200)

    bench.service.order_faults.append(no_response)
    assert "looks for it again" in bench.failure().hint
    bench.generate()
    assert bench.paid == 1


def test_a_refused_second_order_does_not_block_the_third(bench: Bench) -> None:
    bench.service.end = "failed"
    bench.failure()
    bench.service.end = "done"
    bench.service.order_faults.append(bench.error_response("credit"))
    bench.failure()
    bench.generate()
    assert bench.paid == 2


def test_a_task_that_no_longer_exists_is_reported_and_ordered_again(bench: Bench) -> None:
    bench.service.end = "never"
    bench.failure()
    bench.service.tasks[0].id = bench.service.tasks[0].name = "gone"
    bench.service.end = "done"
    assert "no such task" in str(bench.failure())
    bench.generate()
    assert bench.paid == 2


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_model_is_ordered_as_documented(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    options = KlingOptions(model=model, mode="pro")  # type: ignore[arg-type]
    order = kling(options).order(hosted_request())
    assert order.frame.shape == (1080, 1080, 3) and order.seconds == min(MODELS[model].seconds)
    assert order.estimate.amount == round(MODELS[model].pro * order.seconds, 4)
    if model.startswith("kling-v"):
        assert order.body["duration"] == str(order.seconds) and order.body["model_name"] == model
        assert ("sound" in order.body) == (model in ("kling-v2-6", "kling-v3"))


@legacy_only
def test_options_that_only_the_first_models_take(bench: Bench) -> None:
    bench.options = {"model": "kling-v1", "cfg_scale": 0.8}
    bench.generate(negative_prompt="blur")
    body = bench.service.tasks[0].body
    assert (body["cfg_scale"], body["negative_prompt"]) == (0.8, "blur")


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({}, {"seconds": 10.5}, "makes 5, 10 s"),
        ({}, {"prompt": 2501 * "a"}, "2500 characters"),
        ({"model": "kling-3.0"}, {"negative_prompt": "blur"}, "no negative prompt"),
    ],
)
def test_impossible_requests_are_rejected_before_paying(
    options: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        kling(KlingOptions.model_validate(options)).order(hosted_request(**change))


@pytest.mark.parametrize(
    ("invalid", "message"),
    [
        ({"model": "kling-v9"}, "kling-v1-6"),
        ({"model": "kling-v2-master"}, "pro only"),
        ({"model": "kling-v2-1", "cfg_scale": 0.5}, "no cfg_scale"),
        ({"mode": "4k"}, "std"),
    ],
)
def test_invalid_options_are_rejected(invalid: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KlingOptions.model_validate(invalid)


def test_card() -> None:
    check_card(CARD)
    assert CARD.price and CARD.license
