"""The client of fal's routes against a fake of its queue, with faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nil_core.api import ConfigError
from nil_core.testing import check_card
from nil_core.testing.fake_service import FakeResponse
from nil_core.testing.fal import FalProtocol
from nil_core.testing.hosted import CHECKS, Bench, check_no_key, hosted_request
from nil_core.testing.paid_runs import check_run
from nil_generator_fal import CARD, FalOptions
from nil_generator_fal.service import Fal

FIELDS = {"duration", "negative_prompt", "cfg_scale", "seed", "resolution"}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("NIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("FAL_KEY", FalProtocol.key)
    bench = Bench("fal", Fal, {}, FalProtocol(FIELDS))
    yield bench
    bench.service.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Bench], None], bench: Bench) -> None:
    check(bench)


def test_no_key(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    check_no_key(bench, monkeypatch.delenv)


def test_run(bench: Bench) -> None:
    check_run(bench)


@pytest.mark.parametrize("version", ["v1", "v1.6"])
def test_the_papers_kling_models(bench: Bench, version: str) -> None:
    route = f"fal-ai/kling-video/{version}/standard/image-to-video"
    bench.options = {"route": route, "input": {"cfg_scale": 0.7}}
    video = bench.generate(negative_prompt="blur")
    body = bench.service.tasks[0].body
    assert (body["route"], body["duration"], body["cfg_scale"]) == (route, "5", 0.7)
    assert body["negative_prompt"] == "blur" and video.facts["model"] == route
    money = bench.generator().order(hosted_request()).estimate.amount
    assert money == (0.225 if version == "v1" else None)


def test_another_route_gets_the_fields_of_the_user(bench: Bench) -> None:
    bench.options = {"route": "fal-ai/other/image-to-video", "input": {"seed": 3, "resolution": "480p"}, "price": 0.1}
    video = bench.generate()
    body = dict(bench.service.tasks[0].body)
    assert set(body) == {"prompt", "image_url", "route", "seed", "resolution"}
    assert video.facts["cost"]["estimate"] == 0.25


def test_an_error_that_is_not_retryable_ends_the_task(bench: Bench) -> None:
    final = FakeResponse(
        {"detail": "Request timed out", "error_type": "request_timeout"}, 504, {"X-Fal-Retryable": "false"}
    )
    bench.service.poll_faults.append(lambda: final)
    assert "Request timed out" in str(bench.failure())
    bench.generate()
    assert bench.paid == 2


def test_too_long_for_kling() -> None:
    with pytest.raises(ConfigError, match="5, 10 s"):
        Fal(FalOptions()).order(hosted_request(seconds=11))


@pytest.mark.parametrize("route", ["", "kling", "https://fal.run/x/y", "a//b", "a/b?c=d"])
def test_routes_are_paths(route: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        FalOptions(route=route)


def test_card() -> None:
    check_card(CARD)
    assert CARD.price and CARD.license
