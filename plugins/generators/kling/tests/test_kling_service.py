"""The clients of Kling's two protocols against services that speak as its documentation says, and misbehave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from nil_core.api import ConfigError
from nil_core.hosted import Refusal
from nil_core.testing import check_card
from nil_core.testing.hosted import CHECKS, Bench, check_no_key, hosted_request
from nil_core.testing.paid_runs import check_run
from nil_core.testing.vendor import Answer, Call, Protocol, Task, image_of
from nil_generator_kling import CARD, KlingOptions
from nil_generator_kling.models import MODELS
from nil_generator_kling.service import kling

ACCESS = "AkLoopback0123456789"


def said(code: int, message: str, data: Any = None, status: int = 200) -> Answer:
    return Answer({"code": code, "message": message, "request_id": "r-1", "data": data}, status)


class KlingProtocol(Protocol):
    """What both share: the codes of errors."""

    def refusal(self, kind: str) -> Answer:
        return {
            "key": said(1002, "the key is invalid", status=401),
            "credit": said(1102, "resource pack exhausted", status=429),
            "slow down": said(1303, "parallel task over resource pack limit", status=429),
            "busy": said(5001, "in maintenance", status=503),
            "moderated": said(1301, "content safety policy", status=400),
        }[kind]

    def unique(self, name: str) -> str:
        assert name and all(task.name != name for task in self.service.tasks), "external ids are unique in an account"
        return name


class LegacyProtocol(KlingProtocol):
    """/v1/videos/image2video."""

    key = "SkLoopback-0123456789abcdef-0123456789"

    def authorised(self, call: Call) -> Answer | None:
        token = call.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            unchecked = {"verify_exp": False, "verify_nbf": False}
            claims = jwt.decode(token, self.key, algorithms=["HS256"], options=unchecked)
        except jwt.InvalidTokenError:
            return self.refusal("key")
        assert claims["iss"] == ACCESS and claims["exp"] - claims["nbf"] == 1805
        if claims["nbf"] > self.service.now():
            return said(1003, "not valid yet", status=401)
        return said(1004, "expired", status=401) if claims["exp"] < self.service.now() else None

    def is_order(self, call: Call) -> bool:
        return (call.method, call.path) == ("POST", "/v1/videos/image2video")

    def take(self, call: Call, number: int) -> Task:
        body = call.body
        assert isinstance(body["duration"], str) and "aspect_ratio" not in body and "seed" not in body
        frame = image_of(body["image"])  # no "data:" before it
        assert min(frame.shape[:2]) >= 300 and body["watermark_info"] == {"enabled": False}
        return Task(f"task{number}", body, frame, float(body["duration"]), self.unique(body["external_task_id"]))

    def taken(self, task: Task) -> Answer:
        return said(0, "SUCCEED", self.data(task, "submitted"))

    def data(self, task: Task, status: str) -> dict[str, Any]:
        return {"task_id": task.id, "task_info": {"external_task_id": task.name}, "task_status": status}

    def answer(self, call: Call) -> Answer:
        task = self.service.task(call.path.removeprefix("/v1/videos/image2video/"))
        if task is None:
            return said(1203, "no such task", status=404)
        state = self.service.state(task)
        words = {"queued": "submitted", "running": "processing", "done": "succeed"}
        data = self.data(task, words.get(state, "failed"))
        if state == "done":
            film = {"id": "v1", "url": self.service.film_url(task), "duration": "5.1"}
            data |= {"task_result": {"videos": [film]}, "final_unit_deduction": "2"}
        if state in ("failed", "moderated"):
            data["task_status_msg"] = "the GPU fell over" if state == "failed" else "hits the platform's safety rules"
        return said(0, "SUCCEED", data)


class Api2Protocol(KlingProtocol):
    """/image-to-video/{model}, /tasks."""

    key = "api-key-kling-0123456789abcdef"

    def authorised(self, call: Call) -> Answer | None:
        return None if call.headers.get("Authorization") == f"Bearer {self.key}" else self.refusal("key")

    def is_order(self, call: Call) -> bool:
        return call.method == "POST"

    def take(self, call: Call, number: int) -> Task:
        body = call.body
        assert call.path.startswith("/image-to-video/kling-") and set(body) == {"contents", "settings", "options"}
        contents = {each["type"]: each for each in body["contents"]}
        assert set(contents) == {"prompt", "first_frame"} and isinstance(body["settings"]["duration"], int)
        assert body["settings"]["audio"] == "off" and body["options"]["watermark_info"] == {"enabled": False}
        frame = image_of(contents["first_frame"]["url"])
        name = self.unique(body["options"]["external_task_id"])
        return Task(f"task{number}", {**body, "path": call.path}, frame, body["settings"]["duration"], name)

    def taken(self, task: Task) -> Answer:
        return said(0, "SUCCEED", {"id": task.id, "status": "submitted"})

    def answer(self, call: Call) -> Answer:
        path, _, query = call.path.partition("?")
        field, _, value = query.partition("=")
        assert path == "/tasks" and field in ("task_ids", "external_task_ids")
        task = self.service.task(value)
        if task is None:
            return said(0, "SUCCEED", [])
        if field == "external_task_ids":
            return said(0, "SUCCEED", [{"id": task.id, "status": "submitted"}])
        state = self.service.state(task)
        words = {"queued": "submitted", "running": "processing", "done": "succeeded"}
        data: dict[str, Any] = {"id": task.id, "status": words.get(state, "failed"), "message": ""}
        if state == "done":
            film = {"type": "video", "id": "v1", "url": self.service.film_url(task), "duration": "5.1"}
            data |= {"outputs": [film], "billing": [{"amount": 1.5}]}
        if state in ("failed", "moderated"):
            data["message"] = "the GPU fell over" if state == "failed" else "hits the platform's safety rules"
        return said(0, "SUCCEED", [data])


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


legacy_alone = pytest.mark.parametrize("bench", ["legacy"], indirect=True)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Bench], None], bench: Bench) -> None:
    check(bench)


def test_no_key(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    check_no_key(bench, monkeypatch.delenv)


def test_run(bench: Bench) -> None:
    check_run(bench)


@legacy_alone
@pytest.mark.parametrize("skew", [-7200, 7200])
def test_a_clock_that_is_wrong(bench: Bench, skew: float) -> None:
    bench.service.now = lambda: bench.time + skew
    bench.generate()
    assert bench.paid == 1


@legacy_alone
def test_a_clock_that_stays_wrong_is_named(bench: Bench) -> None:
    bench.service.order_faults.extend([lambda: said(1004, "expired", status=401)] * 2)
    error = bench.failure()
    assert isinstance(error, Refusal) and "clock" in error.hint and bench.paid == 0


@legacy_alone
def test_a_long_wait_outlives_one_token(bench: Bench) -> None:
    bench.options = {"deadline": 9000.0}
    bench.service.look_faults.extend([bench.refuse("slow down", Retry_After="2000")] * 3)
    bench.generate()
    assert bench.paid == 1


@legacy_alone
def test_errors_hide_behind_http_200(bench: Bench) -> None:
    bench.service.order_faults.extend([lambda: said(5000, "server error"), lambda: said(1201, "bad duration")])
    assert "bad duration (code 1201)" in str(bench.failure()) and bench.paid == 0


def test_an_order_that_never_arrived_is_made_again(bench: Bench) -> None:
    def no_answer() -> Answer:
        return Answer([], 200)

    bench.service.order_faults.append(no_answer)
    assert "looks for it again" in bench.failure().hint
    bench.generate()
    assert bench.paid == 1


def test_a_refused_second_order_does_not_block_the_third(bench: Bench) -> None:
    bench.service.end = "failed"
    bench.failure()
    bench.service.end = "done"
    bench.service.order_faults.append(bench.refuse("credit"))
    bench.failure()
    bench.generate()
    assert bench.paid == 2


def test_a_task_that_is_gone_is_said_and_ordered_anew(bench: Bench) -> None:
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
    assert order.estimate.money == round(MODELS[model].pro * order.seconds, 4)
    if model.startswith("kling-v"):
        assert order.body["duration"] == str(order.seconds) and order.body["model_name"] == model
        assert ("sound" in order.body) == (model in ("kling-v2-6", "kling-v3"))


@legacy_alone
def test_what_only_the_first_models_take(bench: Bench) -> None:
    bench.options = {"model": "kling-v1", "cfg_scale": 0.8}
    bench.generate(negative_prompt="blur")
    body = bench.service.tasks[0].body
    assert (body["cfg_scale"], body["negative_prompt"]) == (0.8, "blur")


@pytest.mark.parametrize(
    ("options", "change", "says"),
    [
        ({}, {"seconds": 10.5}, "makes 5, 10 s"),
        ({}, {"prompt": 2501 * "a"}, "2500 characters"),
        ({"model": "kling-3.0"}, {"negative_prompt": "blur"}, "no negative prompt"),
    ],
)
def test_what_it_cannot_do_is_said_before_paying(options: dict[str, Any], change: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        kling(KlingOptions.model_validate(options)).order(hosted_request(**change))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"model": "kling-v9"}, "kling-v1-6"),
        ({"model": "kling-v2-master"}, "pro only"),
        ({"model": "kling-v2-1", "cfg_scale": 0.5}, "no cfg_scale"),
        ({"mode": "4k"}, "std"),
    ],
)
def test_options_that_are_not_on_offer(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        KlingOptions.model_validate(wrong)


def test_card() -> None:
    check_card(CARD)
    assert CARD.price and CARD.license
