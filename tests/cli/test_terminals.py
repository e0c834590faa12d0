# ruff: noqa: RUF001  the characters are what is tested
"""Terminals that lack characters, colors or width, and readers that go away: readable words, and no traceback."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from nil_core.cli import tables
from nil_core.cli.display import Screen, reporter
from nil_core.cli.main import main
from nil_core.readable import readable
from nil_core.reporting import Lines

NAME = "[bold]walk[/] :smile: [1]"


class Terminal(io.TextIOWrapper):
    """A stream of an encoding that says it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def raw_bytes(self) -> bytes:
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue()


Nil = Callable[..., tuple[bytes, bytes]]


@pytest.fixture
def nil(monkeypatch: pytest.MonkeyPatch) -> Nil:
    """Runs a command in this process: what it writes to a terminal of an encoding, output and errors."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "NIL_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")

    def call(*words: str, encoding: str = "utf-8") -> tuple[bytes, bytes]:
        out, err = Terminal(encoding), Terminal(encoding)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["nil", *words])
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            with pytest.raises(SystemExit):
                main()
        return out.raw_bytes, err.raw_bytes

    return call


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("α · 2 × 3 → 6…", "ascii", "alpha * 2 x 3 -> 6..."),
        ("Läufe × 2…", "latin-1", "Läufe × 2..."),
        ("“Läufe” → 2", "cp1252", "“Läufe” -> 2"),
        ("Läufe 歩", "ascii", "L\\xe4ufe \\u6b69"),
        ("Läufe 歩 ×", "utf-8", "Läufe 歩 ×"),
    ],
)
def test_characters_that_are_missing_are_written_readably(text: str, encoding: str, shown: str) -> None:
    assert readable(text, encoding) == shown
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Lines(file).say(text)
    assert file.buffer.getvalue().decode(encoding) == f"{shown}\n"  # type: ignore[attr-defined]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_no_command_fails_on_a_character(nil: Nil, encoding: str, tmp_path: Path) -> None:
    out, _ = nil("runs", "list", "--root", "Läufe 歩", encoding=encoding)
    assert b"ufe \\u6b69; `nil run` makes one" in out
    _, err = nil("runs", "show", "Läufe 歩", encoding=encoding)
    assert b"ufe \\u6b69" in err and b"Traceback" not in err
    out, _ = nil("config", "show", "--skill", "歩→", encoding=encoding)
    assert b"'\\u6b69->'" in out and b"| skill " in out
    out, _ = nil("config", "show", "--skill", "歩→", "--toml", encoding=encoding)
    assert 'skill = "歩→"' in out.decode(), "a file for nil is UTF-8 everywhere"


def test_bytes_of_a_file_name_are_written_as_they_are(nil: Nil) -> None:
    out, _ = nil("runs", "list", "--root", b"l\xffufe".decode(errors="surrogateescape"))
    assert b"no runs under l\xffufe" in out


def test_names_are_data_and_no_markup_and_no_emoji(nil: Nil) -> None:
    out, _ = nil("config", "show", "--skill", NAME)
    assert NAME.encode() in out
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None, legacy_windows=False)
    screen = Screen(console)
    screen.say(NAME)
    screen.warn(NAME)
    screen.table(NAME, [NAME, "x"], [[NAME, "1"]])
    screen.progress(1, 2, NAME)
    screen.finish_lines()
    tables.show_table(console, ["name", "x"], [[NAME, "y" * 99]])  # too wide: a paragraph
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count(NAME) >= 7


def test_forty_columns_are_enough() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=40, color_system=None, legacy_windows=False)
    columns = ["policy", "return", "S_v", "IoU", "speed m/s", "env reward", "length", "falls", "episodes"]
    row = ["trained", "1.234", "0.967", "0.726", "-0.004", "0.528", "1.000", "5", "6"]
    screen = Screen(console)
    screen.table("Evaluation", columns, [row])
    screen.progress(3, 120, "steps of the recovery of motion")
    screen.learning(60, 100, {"similarity": 0.91, "episode_length": 9.5}, {"update": 0.61, "encode": 0.2, "act": 0.19})
    screen.finish_lines()
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    text = text.replace("\x1b[?25l", "").replace("\x1b[?25h", "")  # the cursor
    lines = [line.rpartition("\x1b[2K")[2].strip() for line in text.split("\n")]
    assert max(map(len, lines)) <= 40 and "…" not in text
    for cell in (*map(" ".join, zip(columns[1:], row[1:], strict=True)), "trained", "steps of the recovery of motion"):
        assert cell in lines or any(line.startswith(f"{cell} ") for line in lines), cell
    words = [" ".join(line.split()) for line in lines]
    assert "3/120" in text and "similarity 0.910" in words and "episode length 10 steps" in words


def test_a_pipe_gets_whole_lines(nil: Nil, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["nil", "config", "show", "--prompt", "walk " * 50])
    with pytest.raises(SystemExit):
        main()
    assert "walk " * 50 in capsys.readouterr().out


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "unknown"), ("", "")])
def test_colors_only_where_they_are_wanted(
    nil: Nil, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    if variable:
        monkeypatch.setenv(variable, value)
    _, err = nil("runs", "show", "nowhere")
    assert (b"\x1b" in err) == (not variable) and b"nil: " in err


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stdout", Terminal())
    with reporter() as show:
        assert isinstance(show, Lines)
    monkeypatch.setattr(sys, "stdout", None)  # nil ... >&-
    with reporter() as show:
        show.say("nobody reads this")


@pytest.mark.parametrize(
    "code",
    [
        "from nil_core.reporting import Lines\nlines = Lines()\nfor i in range(99999): lines.say('x' * 99)",
        "import sys; from nil_core.cli.main import main; sys.argv = ['nil', 'config', 'show']; main()",
    ],
    ids=["a run", "a command"],
)
def test_a_reader_that_goes_away_ends_it_quietly(code: str) -> None:
    """As ``nil run | head -1`` does."""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 1
    process.stderr.close()
