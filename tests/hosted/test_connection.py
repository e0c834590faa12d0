"""Classification of error responses, pauses, lengths, prompts and prices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_core.hosted.clock import MAX_PAUSE, Clock
from nil_core.hosted.errors import ErrorKind
from nil_core.hosted.limits import checked_prompt, choose_seconds
from nil_core.hosted.prices import price_estimate
from nil_core.hosted.responses import Response, classify_http_error, retry_after


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (401, "bad key", ErrorKind.KEY),
        (403, "not allowed", ErrorKind.KEY),
        (403, "User is locked. Reason: Exhausted balance", ErrorKind.CREDIT),
        (402, "pay", ErrorKind.CREDIT),
        (400, "You do not have enough credits", ErrorKind.CREDIT),
        (429, "insufficient quota", ErrorKind.CREDIT),
        (429, "too many requests", ErrorKind.RATE_LIMIT),
        (400, "violates our usage policies", ErrorKind.MODERATED),
        (400, "bad ratio", ErrorKind.INVALID_REQUEST),
        (404, "no such model", ErrorKind.NOT_FOUND),
        (410, "gone", ErrorKind.NOT_FOUND),
        (408, "timeout", ErrorKind.UNAVAILABLE),
        (500, "quota service down", ErrorKind.UNAVAILABLE),
        (504, "", ErrorKind.UNAVAILABLE),
    ],
)
def test_status_and_message_give_the_kind(status: int, message: str, kind: ErrorKind) -> None:
    error = classify_http_error(Response(status, {}), message)
    assert error is not None and error.kind is kind


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_success_is_no_error(status: int) -> None:
    assert classify_http_error(Response(status, {}), "credit, safety and quota") is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("Thu, 01 Jan 1970 00:01:40 GMT", 40), ("Thu, 01 Jan 1970 00:00:40 GMT", 0), ("soon", 0), ("", 0)],
)
def test_retry_after_is_a_number_or_a_date(header: str, seconds: float) -> None:
    assert retry_after(Response(429, {}, headers={"retry-after": header}), now=60.0) == seconds


@given(st.floats(0.1, 100), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_to_a_limit(first: float, uniform: float) -> None:
    pauses = Clock(uniform=lambda: uniform).backoff(first)
    seen = [next(pauses) for _ in range(20)]
    assert seen == sorted(seen) and seen[0] >= min(first, MAX_PAUSE) and seen[-1] <= 1.5 * MAX_PAUSE


@given(st.lists(st.integers(1, 30), min_size=1), st.floats(0.1, 30))
def test_the_shortest_length_that_covers(offered: list[int], requested: float) -> None:
    covering = [each for each in offered if each >= requested - 1e-6]
    if covering:
        assert choose_seconds("m", offered, requested) == min(covering)
    else:
        with pytest.raises(Exception, match=f"not {requested:g} s"):
            choose_seconds("m", offered, requested)


def test_prompts_are_counted_in_utf_16_units() -> None:
    assert checked_prompt("🦾" * 5, 10, "toy") == "🦾" * 5
    with pytest.raises(Exception, match="takes 9 characters of prompt, this one has 10"):
        checked_prompt("🦾" * 5, 9, "toy")


def test_an_estimate_names_the_source_of_the_price() -> None:
    assert (
        str(price_estimate("toy m", 5, 0.056, "2026-08-13", None))
        == "about 0.28 USD for toy m, 5 s (prices of 2026-08-13)"
    )
    assert price_estimate("toy m", 5, 0.056, "2026-08-13", 1.0).amount == 5.0
    assert "unknown" in str(price_estimate("toy m", 5, None, "", None))
