"""What stands in the terminal when a run is over: everything, in the order in which it happened."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from nil_core.cli.display import Screen, reporter
from nil_core.cli.result_tables import TableLines

VALUES = {
    "reward": 0.4321,
    "similarity": 0.91,
    "torque": -0.003,
    "episode_length": 9.5,
    "falls": 0.25,
    "speed": 0.123,
    "critic_loss": 0.0117,
    "temperature": 0.02,
    "q_mean": 1.5,
}


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None, legacy_windows=False)


def shown(console: Console) -> list[str]:
    """The lines that are left, once what moved has been drawn over itself."""
    assert isinstance(console.file, io.StringIO)
    lines, row = [""], 0
    for part in console.file.getvalue().replace("\x1b[?25l", "").replace("\x1b[?25h", "").split("\n"):
        while "\x1b[" in part:
            before, _, rest = part.partition("\x1b[")
            lines[row] += before
            if rest.startswith("1A"):
                row -= 1
            elif rest.startswith("2K"):
                lines[row] = ""
            else:
                raise AssertionError(f"an escape sequence this terminal does not know: {rest[:8]!r}")
            part = rest[2:]
        *_, last = part.split("\r")
        lines[row] = last if "\r" in part else lines[row] + last
        row += 1
        lines += [""] * (row + 1 - len(lines))
    return [line.rstrip() for line in lines if line.strip()]


def test_everything_in_order(console: Console) -> None:
    screen = Screen(console)
    screen.say("walking")
    for done in (0, 5, 11):
        screen.progress(done, 11, "frames drawn")
    screen.table("Reward", ["term", "weight"], [["S_v", "1"], ["P_V", "0.0002"]])
    screen.learning(20, 100, {}, {"steps_per_second": 150.4, "seconds_left": 125.0})
    screen.learning(60, 100, VALUES, {"steps_per_second": 150.4, "seconds_left": 65.0})
    screen.say("saved at step 60; resume with: nil run --resume runs/x")
    screen.finish_lines()
    lines = shown(console)
    starts = ["walking", "frames drawn", "Reward", "term", "S_v", "P_V", "environment steps", "steps/s", "time left"]
    assert [line[: len(start)] for line, start in zip(lines, starts, strict=False)] == starts
    assert lines[-1] == "saved at step 60; resume with: nil run --resume runs/x"
    assert "11/11" in lines[1] and " 60/100" in lines[6], "bars stay as they were last"
    assert sum("environment steps" in line for line in lines) == 1


def test_the_live_table(console: Console) -> None:
    screen = Screen(console)
    shares = {"update": 0.61, "encode": 0.2, "physics": 0.1, "act": 0.09}
    screen.learning(60, 100, VALUES, {"steps_per_second": 150.4, "seconds_left": 65.0} | shares)
    screen.finish_lines()
    words = " ".join(" ".join(line.split()) for line in shown(console))
    for cell in (
        "steps/s 150",
        "time update 61%, encode 20%, physics 10%",
        "time left 1 min 5 s",
        "reward 0.432",
        "torque -0.003",
        "episode length 10 steps",
        "falls 25%",
        "speed 0.12 m/s",
        "critic loss 0.0117",
        "temperature 0.02",
    ):
        assert cell in words
    assert "q_mean" not in words and "iou" not in words


def test_the_widest_table_fits_80_columns(console: Console) -> None:
    columns = ["policy", "return", "S_v", "IoU", "speed m/s", "env reward", "length", "falls", "episodes"]
    row = ["trained", "1.234", "0.967", "0.726", "-0.004", "0.528", "1.000", "5", "5"]
    Screen(console).table("Evaluation", columns, [row])
    assert [line.split() for line in shown(console)] == [["Evaluation"], " ".join(columns).split(), row]


def test_words_are_shown_as_they_are(console: Console) -> None:
    screen = Screen(console)
    screen.say("[red]not a color[/] " + "x" * 100)
    screen.warn("[/]")
    assert shown(console)[0].startswith("[red]not a color[/]")
    assert shown(console)[-1] == "[/]"


def test_where_there_is_no_terminal_there_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with reporter() as show:
        assert isinstance(show, TableLines)
        show.table("Evaluation", ["policy", "return"], [["trained", "1.2"], ["zero", "10.25"]])
    assert capsys.readouterr().out.splitlines() == [
        "Evaluation",
        "  policy   return",
        "  trained  1.2",
        "  zero     10.25",
    ]


def test_the_spread_is_shown_for_more_than_one_episode(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"return": 1.25, "return_std": 0.1, "return_ci95": [1.0, 1.5], "speed": 0.5}
    shown = TableLines()
    shown.evaluation({"trained": row})
    shown.spread({"trained": row})
    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()] == [
        "Evaluation",
        "policy return speed m/s",
        "trained 1.250 0.500",
        "Spread over episodes",
        "metric policy mean std 95 % interval (Student's t)",
        "return trained 1.250 0.100 1.000 to 1.500",
    ]
