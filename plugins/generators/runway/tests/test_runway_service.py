"""The client of Runway against a fake that follows docs.dev.runwayml.com, with faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nil_core.api import ConfigError
from nil_core.hosted import Clock
from nil_core.testing import check_card
from nil_core.testing.fake_service import FakeProtocol, FakeResponse, ReceivedRequest, Task, image_of
from nil_core.testing.hosted import CHECKS, Bench, check_no_key, hosted_request
from nil_core.testing.paid_runs import check_run
from nil_generator_runway import CARD, RATIOS, RunwayOptions
from nil_generator_runway.service import Runway

STATUS = {"queued": "THROTTLED", "running": "RUNNING", "done": "SUCCEEDED", "failed": "FAILED", "moderated": "FAILED"}


class RunwayProtocol(FakeProtocol):
    """POST /v1/image_to_video, GET /v1/tasks/{id}."""

    key = "key_" + 16 * "0123abcd"

    def authorize(self, request: ReceivedRequest) -> FakeResponse | None:
        assert request.headers["X-Runway-Version"] == "2024-11-06"
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return self.error_response("key")
        return None

    def is_order(self, request: ReceivedRequest) -> bool:
        return (request.method, request.path) == ("POST", "/v1/image_to_video")

    def read_order(self, request: ReceivedRequest, number: int) -> Task:
        body = request.body
        known = {"model", "promptText", "promptImage", "ratio", "duration", "seed"}
        assert set(body) == known | ({"audio"} if body["model"].startswith("veo") else set())
        assert body["promptImage"].startswith("data:image/png;base64,") and len(body["promptImage"]) <= 5_000_000
        assert body["ratio"] in RATIOS[body["model"][:4]] and isinstance(body["duration"], int)
        frame = image_of(body["promptImage"])
        assert body["ratio"] == f"{frame.shape[1]}:{frame.shape[0]}"
        return Task(f"17f20503-6c24-4c16-946b-{number:012}", body, frame, body["duration"])

    def order_accepted(self, task: Task) -> FakeResponse:
        return FakeResponse({"id": task.id, "estimatedCost": {"credits": 25}})

    def task_response(self, request: ReceivedRequest) -> FakeResponse:
        task = self.service.task(request.path.removeprefix("/v1/tasks/"))
        assert task is not None and request.method == "GET"
        state = self.service.state(task)
        body = {"id": task.id, "createdAt": "2026-11-22T00:00:00Z", "status": STATUS[state]}
        if state == "running":
            body |= {"progress": 0.4}
        if state == "done":
            body |= {"output": [self.service.video_url(task)], "cost": {"credits": 15}}
        if state == "failed":
            body |= {"failure": "the GPU fell over", "failureCode": "INTERNAL", "cost": {"credits": 0}}
        if state == "moderated":
            body |= {"failure": "safety: no robots", "failureCode": "SAFETY.INPUT.TEXT", "cost": {"credits": 15}}
        return FakeResponse(body)

    def error_response(self, kind: str) -> FakeResponse:
        return {
            "key": FakeResponse({"error": "The API key is not valid."}, 401),
            "credit": FakeResponse({"error": "You do not have enough credits to run this task."}, 400),
            "rate limit": FakeResponse({"error": "You have reached the daily task limit."}, 429),
            "unavailable": FakeResponse({"error": "Internal"}, 503),
            "moderated": FakeResponse({"error": "promptText was refused for safety"}, 400),
        }[kind]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("NIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("RUNWAYML_API_SECRET", RunwayProtocol.key)
    bench = Bench("runway", Runway, {}, RunwayProtocol())
    yield bench
    bench.service.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Bench], None], bench: Bench) -> None:
    check(bench)


def test_no_key(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    check_no_key(bench, monkeypatch.delenv)


def test_run(bench: Bench) -> None:
    check_run(bench)


def test_polls_no_faster_than_the_service_allows(bench: Bench) -> None:
    bench.generate()
    assert min(bench.slept) >= 5


def test_the_reported_cost_is_part_of_the_provenance(bench: Bench) -> None:
    assert bench.generate().facts["cost"] == {"estimate": 0.15, "currency": "USD", "reported": {"credits": 15}}


@pytest.mark.parametrize("model", ["gen4_turbo", "gen4.5", "veo3.1", "veo3.1_fast"])
def test_every_model_is_ordered_as_documented(bench: Bench, model: str) -> None:
    bench.options = {"model": model}
    video = bench.generate(seed=2**32 + 5)
    assert bench.service.tasks[0].body["seed"] == 5 and video.facts["model"] == model
    assert bench.service.tasks[0].seconds == (3 if model.startswith("gen4") else 4)


def test_a_wide_video_has_the_square_of_the_first_frame(bench: Bench) -> None:
    bench.options = {"ratio": "1280:720"}
    video = bench.generate()
    assert video.frames.shape[1:3] == (90, 160) and video.crop_box == (35, 0, 90)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seconds": 10.5}, "2, 3, 4, 5, 6, 7, 8, 9, 10 s"),
        ({"prompt": "walk " * 201}, "1000 characters"),
        ({"negative_prompt": "blur"}, "no negative prompt"),
    ],
)
def test_impossible_requests_are_rejected_before_paying(bench: Bench, change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        bench.generator().estimate(hosted_request(**change))


@pytest.mark.parametrize(
    ("invalid", "message"),
    [
        ({"model": "gen3a_turbo"}, "took Gen-3 Alpha Turbo out of its API"),
        ({"model": "gen5"}, "gen4_turbo"),
        ({"ratio": "1:1"}, "960:960"),
        ({"model": "veo3.1", "ratio": "960:960"}, "1280:720"),
    ],
)
def test_invalid_options_are_rejected(invalid: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RunwayOptions.model_validate(invalid)


def test_the_option_price_replaces_the_table() -> None:
    generator = Runway(RunwayOptions(price=1.0), Clock())
    assert generator.order(hosted_request()).estimate.amount == 3.0
    assert "2026-08-13" in str(Runway(RunwayOptions(), Clock()).order(hosted_request()).estimate)


def test_card() -> None:
    check_card(CARD)
    assert CARD.price and CARD.license
