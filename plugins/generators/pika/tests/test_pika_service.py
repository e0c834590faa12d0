"""The client of Pika's routes against a fake of fal's queue, with faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nil_core.api import ConfigError
from nil_core.testing import check_card
from nil_core.testing.fal import FalProtocol
from nil_core.testing.hosted import CHECKS, Bench, check_no_key, hosted_request
from nil_core.testing.paid_runs import check_run
from nil_generator_pika import CARD, PikaOptions
from nil_generator_pika.service import Pika


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("NIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("FAL_KEY", FalProtocol.key)
    bench = Bench("pika", Pika, {}, FalProtocol({"seed", "negative_prompt", "resolution", "duration"}))
    yield bench
    bench.service.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Bench], None], bench: Bench) -> None:
    check(bench)


def test_no_key(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    check_no_key(bench, monkeypatch.delenv)


def test_run(bench: Bench) -> None:
    check_run(bench)


@pytest.mark.parametrize(
    ("model", "route"),
    [("turbo", "v2/turbo"), ("2.1", "v2.1"), ("2.2", "v2.2")],
)
def test_every_model_is_ordered_by_its_route(bench: Bench, model: str, route: str) -> None:
    bench.options = {"model": model}
    video = bench.generate(seed=7, negative_prompt="blur")
    body = bench.service.tasks[0].body
    assert body["route"] == f"fal-ai/pika/{route}/image-to-video"
    assert (body["seed"], body["negative_prompt"], body["duration"], body["resolution"]) == (7, "blur", 5, "720p")
    assert video.facts["seed"] == 7


def test_price_depends_on_length_and_resolution() -> None:
    def price(seconds: float, **options: object) -> float | None:
        return Pika(PikaOptions.model_validate(options)).order(hosted_request(seconds=seconds)).estimate.amount

    assert (
        price(2.5) == 0.2 and price(6) == 0.4 and price(5, resolution="1080p") == 0.45 and price(5, model="2.1") == 0.4
    )
    with pytest.raises(ConfigError, match="makes 5 s"):
        price(6, model="2.1")


@pytest.mark.parametrize("invalid", [{"model": "1.5"}, {"model": "turbo", "resolution": "1080p"}, {"resolution": "4k"}])
def test_invalid_options_are_rejected(invalid: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"2\.1|720p"):
        PikaOptions.model_validate(invalid)


def test_card() -> None:
    check_card(CARD)
    assert CARD.price and CARD.license
