"""What answers of services mean, how long is waited, and who is sent the key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_core.hosted.clock import LONGEST, Clock
from nil_core.hosted.connection import Reply, _retry_after, judge
from nil_core.hosted.limits import fitting_text, ordered_seconds
from nil_core.hosted.prices import estimate
from nil_core.hosted.troubles import Trouble


@pytest.mark.parametrize(
    ("status", "words", "trouble"),
    [
        (401, "bad key", Trouble.KEY),
        (403, "not allowed", Trouble.KEY),
        (403, "User is locked. Reason: Exhausted balance", Trouble.CREDIT),
        (402, "pay", Trouble.CREDIT),
        (400, "You do not have enough credits", Trouble.CREDIT),
        (429, "insufficient quota", Trouble.CREDIT),
        (429, "too many requests", Trouble.SLOW_DOWN),
        (400, "violates our usage policies", Trouble.MODERATED),
        (400, "bad ratio", Trouble.INVALID),
        (404, "no such model", Trouble.MISSING),
        (410, "gone", Trouble.MISSING),
        (408, "timeout", Trouble.BUSY),
        (500, "quota service down", Trouble.BUSY),
        (504, "", Trouble.BUSY),
    ],
)
def test_statuses_and_words(status: int, words: str, trouble: Trouble) -> None:
    verdict = judge(Reply(status, {}), words)
    assert verdict is not None and verdict.trouble is trouble


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_successes(status: int) -> None:
    assert judge(Reply(status, {}), "credit, safety and quota") is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("Thu, 01 Jan 1970 00:01:40 GMT", 40), ("Thu, 01 Jan 1970 00:00:40 GMT", 0), ("soon", 0), ("", 0)],
)
def test_retry_after_is_a_number_or_a_date(header: str, seconds: float) -> None:
    assert _retry_after(Reply(429, {}, headers={"retry-after": header}), now=60.0) == seconds


@given(st.floats(0.1, 100), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_to_a_limit(first: float, chance: float) -> None:
    pauses = Clock(chance=lambda: chance).backoff(first)
    seen = [next(pauses) for _ in range(20)]
    assert seen == sorted(seen) and seen[0] >= min(first, LONGEST) and seen[-1] <= 1.5 * LONGEST


@given(st.lists(st.integers(1, 30), min_size=1), st.floats(0.1, 30))
def test_the_shortest_length_that_covers(on_sale: list[int], wished: float) -> None:
    covering = [each for each in on_sale if each >= wished - 1e-6]
    if covering:
        assert ordered_seconds("m", on_sale, wished) == min(covering)
    else:
        with pytest.raises(Exception, match=f"not {wished:g} s"):
            ordered_seconds("m", on_sale, wished)


def test_prompts_are_counted_as_services_count() -> None:
    assert fitting_text("🦾" * 5, 10, "toy") == "🦾" * 5
    with pytest.raises(Exception, match="takes 9 characters of prompt, this one has 10"):
        fitting_text("🦾" * 5, 9, "toy")


def test_a_price_says_where_it_is_from() -> None:
    assert (
        str(estimate("toy m", 5, 0.056, "2026-08-13", None)) == "about 0.28 USD for toy m, 5 s (prices of 2026-08-13)"
    )
    assert estimate("toy m", 5, 0.056, "2026-08-13", 1.0).money == 5.0
    assert "unknown" in str(estimate("toy m", 5, None, "", None))
