"""What a generator does with the answer to an order: one order, or a refusal that says why."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import numpy as np

from nil_core.errors import NilError
from nil_core.hosted.errors import ErrorKind, RejectedError, ServiceError
from nil_core.testing.fake_service import MOVED, FakeResponse, drop_connection
from nil_core.testing.hosted.bench import Bench, hosted_request, stored_text


def check_success(bench: Bench) -> None:
    """Ordered once, delivered as requested, with its provenance; the second time without any request."""
    generator = bench.generator()
    assert not generator.estimate(hosted_request()).paid
    progress_texts: list[str] = []
    video = generator.generate(hosted_request(), lambda done, total, what: progress_texts.append(what))
    assert bench.paid == 1 and progress_texts
    assert abs(video.seconds - 2.5) <= 1.5 / video.fps, video.seconds
    left, top, side = video.crop_box or (0, 0, 0)
    corner = video.frames[0, int(top) + 2, int(left) + 2].astype(int)
    assert np.abs(corner - (20, 30, 200)).max() < 40, f"the first frame's background, not {corner}"
    legs = video.frames[0, int(top + 0.4 * side), int(left + 0.5 * side)].astype(int)
    assert np.abs(legs - (150, 140, 130)).max() < 40, f"the first frame's robot, not {legs}"
    facts = json.dumps(dict(video.facts), allow_nan=False)
    for expected in (bench.service.tasks[0].id, hosted_request().prompt, "sha256", "cost", "seed"):
        assert expected in facts, f"{expected} is part of the provenance"
    requests = len(bench.service.requests)
    assert bench.generator().estimate(hosted_request()).paid
    assert (bench.generate().frames == video.frames).all()
    assert len(bench.service.requests) == requests and not bench.service.leaked_keys
    assert bench.service.protocol.key not in stored_text() + facts


def check_another_seed_is_another_order(bench: Bench) -> None:
    """Also if the service takes no seed: another seed must give another video."""
    bench.generate()
    bench.generate(seed=1)
    assert bench.paid == 2


def check_wrong_key(bench: Bench) -> None:
    """Rejected at once, without the key in the message and without a record; it works with a valid key."""
    bench.service.order_faults.append(bench.error_response("key"))
    error = bench.failure()
    assert isinstance(error, RejectedError) and error.kind is ErrorKind.KEY and error.exit_code == 2
    assert bench.service.protocol.key not in str(error) and not bench.slept
    bench.generate()
    assert bench.paid == 1


def check_no_credit(bench: Bench) -> None:
    """Distinguished from a rate limit: no waiting."""
    bench.service.order_faults.append(bench.error_response("credit"))
    error = bench.failure()
    assert isinstance(error, RejectedError) and error.kind is ErrorKind.CREDIT and error.exit_code == 2, error
    assert not bench.slept and bench.paid == 0


def check_rate_limit(bench: Bench) -> None:
    """Waited out: as long as the service says, else with growing pauses."""
    bench.service.order_faults.extend([bench.error_response("rate limit")] * 4)
    bench.service.order_faults.append(bench.error_response("rate limit", Retry_After="77"))
    bench.generate()
    first = bench.slept[:5]
    assert bench.paid == 1 and first[:4] == sorted(set(first[:4])) and first[4] >= 77


def check_rate_limit_until_deadline(bench: Bench) -> None:
    """It fails at the deadline, and nothing was paid."""
    bench.service.order_faults.extend([bench.error_response("rate limit", Retry_After="600")] * 9)
    error = bench.failure()
    assert isinstance(error, ServiceError) and bench.paid == 0 and sum(bench.slept) <= 1800
    bench.service.order_faults.clear()
    bench.generate()
    assert bench.paid == 1


def check_server_errors(bench: Bench) -> None:
    """Waited out, before the order and while polling."""
    bench.service.order_faults.extend([bench.error_response("unavailable")] * 2)
    bench.service.poll_faults.extend(
        [bench.error_response("unavailable"), bench.error_response("rate limit"), drop_connection]
    )
    bench.generate()
    assert bench.paid == 1


def check_permanent_server_error(bench: Bench) -> None:
    """An order is not repeated forever."""
    bench.service.order_faults.extend([bench.error_response("unavailable")] * 50)
    error = bench.failure()
    assert isinstance(error, ServiceError) and bench.paid == 0 and len(bench.service.order_faults) > 30


def check_moderated_order(bench: Bench) -> None:
    """Rejected before it was accepted."""
    bench.service.order_faults.append(bench.error_response("moderated"))
    error = bench.failure()
    assert isinstance(error, RejectedError) and error.kind is ErrorKind.MODERATED, error
    assert "safety" in str(error) and bench.paid == 0


def check_redirected_order(bench: Bench) -> None:
    """It was not taken: sent again where that is the same request to the same service, else a line that says so."""
    service = bench.service
    for status, base in ((301, service.url + MOVED), (302, ""), (303, service.url), (307, service.store_url)):
        service.order_redirect = status, base
        for _ in range(2):
            error = bench.failure()
            assert isinstance(error, RejectedError) and error.kind is ErrorKind.REDIRECTED, error
            assert f"HTTP {status}" in error.message and "not taken" in error.message and "base_url" in error.hint
    assert bench.paid < 1 and not service.store_requests, "an order went to another host"
    for seed, status in enumerate((307, 308)):
        service.order_redirect = status, service.url + MOVED
        bench.generate(seed=seed)
    assert bench.paid == 2
    service.order_redirect = 307, service.url
    error = bench.failure(seed=3)
    assert "again and again" in error.message and bench.paid == 2, error


def check_strange_words(bench: Bench) -> None:
    """Escape codes, the bytes of a file and long pages do not reach the terminal."""
    film = b"\0\0\0 ftypisom" + bytes(range(256)) * 40
    for body, kind in (
        (b"\x1b[31mred\x1b]0;title\x07 \xe2\x80\xae" + b"long " * 2000, "text/html"),
        (film, "video/mp4"),
    ):
        bench.service.order_faults.append(bench.answer(body, 418, kind))
        message = bench.failure().message
        assert message.isprintable() and len(message) < 500 and "title" not in message, message
        assert ("red long" in message) if kind == "text/html" else (f"{len(film)} bytes of video/mp4" in message)
    assert not bench.paid


def check_key_echoed_by_service(bench: Bench) -> None:
    """The key in a message of the service is not shown."""
    key = bench.service.protocol.key
    response = bench.service.protocol.error_response("key")
    body = json.loads(json.dumps(response.body).replace("key", f"key {key}"))
    bench.service.order_faults.append(lambda: FakeResponse(body, response.status))
    error = bench.failure()
    assert key not in str(error) and key not in repr(error) and "***" in str(error), error


def check_no_key(bench: Bench, unset: Callable[[str], None]) -> None:
    """Reported before anything is paid, with the variable to set.

    Args:
        bench: of the generator.
        unset: unsets an environment variable.
    """
    variables = [name for name in os.environ if os.environ[name] == bench.service.protocol.key]
    for name in variables:
        unset(name)
    for call in (bench.generator().estimate, lambda request: bench.generate()):
        try:
            call(hosted_request())
        except NilError as error:
            assert any(name in str(error) for name in variables) and error.exit_code == 2
        else:
            raise AssertionError("no key, and no error")
    assert not bench.service.requests
