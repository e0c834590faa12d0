"""Plain lines for logs: what is said, and how often."""

from __future__ import annotations

import io

import pytest

from nil_core.interfaces import TermRow
from nil_core.reporting import Lines, Silent


def said(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_lines_and_warnings() -> None:
    lines = Lines(stream := io.StringIO())
    lines.say("reference: 63 frames")
    lines.warn("no GPU")
    assert said(stream) == ["reference: 63 frames", "warning: no GPU"]


def test_results_are_lines() -> None:
    lines = Lines(stream := io.StringIO())
    lines.reward([TermRow("S_v", "similarity to the video", 1.0, "per tick")])
    row = {"speed": 0.512345, "return": 1.25, "return_std": 0.1, "return_ci95": [1.0, 1.5], "mocap_loss_deg": None}
    lines.evaluation({"trained": row, "standing": {"return": 1}})
    lines.facts("walk.npz", {"robot": "a1", "rows": "50"})
    assert said(stream) == [
        "reward: S_v x 1: similarity to the video (per tick)",
        "trained: speed 0.5123, return 1.25",
        "standing: return 1",
        "walk.npz",
        "  robot: a1",
        "  rows: 50",
    ]


@pytest.mark.parametrize("total", [1, 4, 100])
def test_progress_is_told_by_fifths_and_always_at_the_end(total: int) -> None:
    lines = Lines(stream := io.StringIO())
    for done in range(total + 1):
        lines.progress(done, total, "frames drawn")
    told = said(stream)
    assert told[-1] == f"frames drawn: {total}/{total}"
    assert len(told) == len(set(told)) == min(total, 5)


def test_progress_of_the_next_part_begins_anew() -> None:
    lines = Lines(stream := io.StringIO())
    for what in ("frames drawn", "policies evaluated"):
        lines.progress(3, 3, what)
    assert said(stream) == ["frames drawn: 3/3", "policies evaluated: 3/3"]


def test_learning_speaks_now_and_then_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, now = Lines(stream := io.StringIO(), every=10.0), [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    for step in range(1, 26):
        now[0] += 1
        lines.learning(step, 25, {"reward": 1.25}, {"steps_per_second": 100.0, "seconds_left": 90.0})
    assert [line.split()[1] for line in said(stream)] == ["1/25", "11/25", "21/25", "25/25"]
    assert "100/s" in said(stream)[0] and "1.5 min left" in said(stream)[0] and "reward 1.25" in said(stream)[0]


def test_learning_says_what_takes_the_time() -> None:
    lines = Lines(stream := io.StringIO())
    lines.learning(25, 25, {"reward": 1.25}, {"steps_per_second": 100.0, "render": 0.5, "update": 0.3})
    assert "100/s  time: render 50%, update 30%  reward 1.25" in said(stream)[0]


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    silent = Silent()
    silent.say("a")
    silent.warn("b")
    silent.reward([])
    silent.evaluation({"a": {"return": 1.0}})
    silent.facts("c", {"d": "e"})
    silent.progress(1, 2, "f")
    silent.learning(1, 2, {}, {})
    assert capsys.readouterr() == ("", "")
