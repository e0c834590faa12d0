"""Where the time goes: shares of what the learning process lived, and the one part that bounds it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_core.time_shares import PARTS, briefly, in_words, shares

OVERLAPPED = {"seconds": 10.0, "act": 0.2, "encode": 1.0, "update": 6.0, "wait": 2.0, "render": 6.0, "physics": 2.0}


def test_simulation_counts_for_as_long_as_it_was_waited_for() -> None:
    found = shares([OVERLAPPED | {"step": 500}])
    assert found == pytest.approx(
        {"update": 0.6, "render": 0.15, "encode": 0.1, "other": 0.08, "physics": 0.05, "act": 0.02}
        | {"evaluate": 0, "reward": 0, "save": 0}
    )
    assert briefly({"steps_per_second": 60.0} | found) == "update 60%, render 15%, encode 10%"
    assert in_words(found) == (
        "the agent's update 60%, waiting for rendering 15%, encoding 10%, other 8%, "
        "waiting for physics 5%, acting 2%; the agent's update bounds the run"
    )


@pytest.mark.parametrize(
    ("row", "bound"),
    [
        ({"seconds": 10.0, "update": 1.0, "wait": 8.0, "render": 20.0, "physics": 4.0}, "rendering"),
        ({"seconds": 10.0, "update": 1.0, "wait": 8.0, "render": 4.0, "physics": 20.0}, "physics"),
        ({"seconds": 10.0, "update": 4.0, "encode": 5.0, "render": 99.0, "physics": 99.0, "wait": 0.5}, "encoding"),
        ({"seconds": 10.0, "update": 1.0, "evaluate": 7.0}, "evaluating"),
    ],
)
def test_what_bounds_a_run(row: dict[str, float], bound: str) -> None:
    assert in_words(shares([row])).endswith(f"; {bound} bounds the run")


def test_a_long_row_counts_more_than_a_short_one() -> None:
    rows = [{"seconds": 90.0, "update": 60.0, "encode": 30.0}, {"seconds": 10.0, "encode": 10.0}]
    assert shares(rows)["update"] == pytest.approx(0.6) and shares(rows)["encode"] == pytest.approx(0.4)


def test_nothing_is_said_of_nothing() -> None:
    assert shares([]) == {} and briefly({"steps_per_second": 60.0}) == ""


@given(st.lists(st.fixed_dictionaries({name: st.floats(0, 100) for name in ("update", "wait", "render")}), min_size=1))
def test_shares_are_of_the_whole_and_the_largest_is_first(rows: list[dict[str, float]]) -> None:
    found = shares([row | {"seconds": 1.0 + row["update"] + row["wait"]} for row in rows])
    assert set(found) == set(PARTS) and sum(found.values()) == pytest.approx(1.0)
    assert list(found.values()) == sorted(found.values(), reverse=True) and min(found.values()) >= 0
