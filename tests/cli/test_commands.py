"""The commands as a whole: what there is, what they answer, and which code they leave with."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from nil_core.cli.extra_commands import _accepted, _commands_of_hooks
from nil_core.cli.main import app, main
from nil_core.errors import MachineError, PluginError

COMMANDS = {"run", "generate", "eval", "play", "doctor", "plugins", "encoders", "models", "config", "runs"}
OPTIONS = {
    *(
        "--generator",
        "--encoder",
        "--segmenter",
        "--robot",
        "--agent",
        "--reward",
        "--skill",
        "--prompt",
        "--seed",
        "--steps",
    ),
    "--track",
    *("--no-cache", "--reward"),
    *("--preset", "--config", "--set", "--reference", "--out", "--resume", "--negative-prompt", "--yes"),
}


def answer(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.stdout


def test_help_names_every_command_and_option() -> None:
    assert set(re.findall(r"^  ([a-z]+) ", answer("--help"), re.MULTILINE)) >= COMMANDS
    assert set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", answer("run", "--help"), re.MULTILINE)) - {"--help"} == OPTIONS
    assert "quickstart, smoke, paper, paper-v1; default quickstart" in " ".join(answer("run", "--help").split())


def test_version() -> None:
    assert re.fullmatch(r"nil \d+\.\d+\.\d+\S*\n", answer("--version"))


def test_errors_leave_with_their_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*arguments: Any) -> None:
        raise MachineError("it is broken", "mend it")

    monkeypatch.setattr("nil_core.config.resolve", fail)
    monkeypatch.setattr("nil_core.cli.options.resolve", fail)
    monkeypatch.setattr(sys, "argv", ["nil", "run"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert capsys.readouterr() == ("", "nil: it is broken\n     mend it\n")


def test_a_hook_adds_a_command(fresh_site: Callable[[], Any], visible: Callable[[Path], Any]) -> None:
    source = """
import pluggy, typer
app = typer.Typer()

@app.callback(invoke_without_command=True)
def upload():
    typer.echo("uploaded")

@pluggy.HookimplMarker("nil")
def commands():
    return [("upload", app)]
"""
    site = fresh_site()
    site.add("nil-hook-upload", "[nil.hooks]\nupload = upload_hook\n", upload_hook=source)
    code = f"import sys; sys.path.insert(0, {str(site.install())!r}); sys.argv = ['nil', 'upload']\n"
    code += "from nil_core.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "uploaded\n"), done.stderr


EXTRA = """
import typer
app = typer.Typer()
number = 3

@app.callback(invoke_without_command=True)
def upload(fast: bool = False):
    typer.echo(f"uploaded {'fast' if fast else 'slowly'}")
"""
ENTRY_POINTS = """[nil.commands]
upload = extra_commands_plugin:app
run = extra_commands_plugin:app
number = extra_commands_plugin:number
Odd_Name = extra_commands_plugin:app
absent = no_such_module:app
twice = extra_commands_plugin:app
"""


@pytest.fixture
def extra(fresh_site: Callable[[], Any], visible: Callable[[Path], Any]) -> Iterator[None]:
    site = fresh_site()
    site.add("nil-extra", ENTRY_POINTS, version="2.0", extra_commands_plugin=EXTRA)
    site.add("nil-rival", "[nil.commands]\ntwice = extra_commands_plugin:app\n")
    _accepted.cache_clear()
    with visible(site.install()):
        yield


@pytest.mark.usefixtures("extra")
def test_commands_of_others_are_known_without_importing_them(caplog: pytest.LogCaptureFixture) -> None:
    said = answer("--help")
    assert re.search(r"^  upload +Command of nil-extra 2.0\.$", said, re.MULTILINE)
    assert "Odd_Name" not in said and "twice" not in said and said.count("  run ") == 1
    assert "extra_commands_plugin" not in sys.modules
    warnings = sorted(record.getMessage() for record in caplog.records)
    assert [line.partition(" is left out: ")[::2] for line in warnings] == [
        (
            "command 'Odd_Name' (nil-extra 2.0)",
            "the name of a command is of lower-case letters, digits and hyphens",
        ),
        ("command 'run' (nil-extra 2.0)", "nil has a command run of its own"),
        ("command 'twice' (nil-extra 2.0)", "2 distributions claim the name"),
        ("command 'twice' (nil-rival 1.0)", "2 distributions claim the name"),
    ]


@pytest.mark.usefixtures("extra")
def test_commands_of_others_are_called() -> None:
    assert answer("upload") == "uploaded slowly\n"
    assert answer("upload", "--fast") == "uploaded fast\n"
    assert "--fast" in answer("upload", "--help")
    assert "Generate a reference video and train" in answer("run", "--help")


@pytest.mark.usefixtures("extra")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("number", "is no typer.Typer but of type int"),
        ("absent", "cannot load no_such_module:app: ModuleNotFoundError"),
    ],
)
def test_a_broken_command_is_an_error_of_whoever_calls_it(name: str, says: str) -> None:
    error = CliRunner().invoke(app, [name]).exception
    assert isinstance(error, PluginError) and says in error.message and "(nil-extra 2.0)" in error.message


def test_commands_of_hooks_are_validated(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def commands(event: str) -> list[Any]:
        return [
            [("upload", typer.Typer()), ("run", typer.Typer()), ("number", 3), "text"],
            None,
            [("upload", typer.Typer())],
        ]

    monkeypatch.setattr("nil_core.hooks.Hooks.load", lambda: SimpleNamespace(fire=commands))
    assert list(_commands_of_hooks(frozenset({"run"}))) == ["upload"]
    assert len(caplog.records) == 5


def test_help_imports_no_hook(fresh_site: Callable[[], Any]) -> None:
    site = fresh_site()
    site.add("nil-hook-heavy", "[nil.hooks]\nheavy = heavy_hook\n", heavy_hook="print('imported')")
    code = f"import sys; sys.path.insert(0, {str(site.install())!r}); sys.argv = ['nil', '--help']\n"
    code += "from nil_core.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "imported" not in done.stdout, done.stderr


def test_runs_of_every_state_are_listed(tmp_path: Path) -> None:
    assert "no runs under" in answer("runs", "list", "--root", str(tmp_path))
    for name, state, step in (("a", "learning", 40), ("b", "interrupted", 60), ("c", "failed", 80)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text('{"nil": "run", "format": 1}')
        (tmp_path / name / "status.json").write_text(json.dumps({"state": state, "step": step}))
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "manifest.json").write_text('{"nil": "run", "format": 1}')
    (tmp_path / "no run").mkdir()
    listed = answer("runs", "list", "--root", str(tmp_path))
    for name, row in {
        "a": ["learning", "40"],
        "b": ["interrupted", "60"],
        "c": ["failed", "80"],
        "d": ["?", "?"],
    }.items():
        (line,) = (line for line in listed.splitlines() if str(tmp_path / name) in line)
        assert [cell.strip() for cell in line.split("│")[2:4]] == row
    assert "no run" not in listed


def test_doctor_is_a_block_to_paste_that_tells_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAL_KEY", "very-secret")
    monkeypatch.delenv("SORA_API_KEY", raising=False)
    said = answer("doctor")
    assert said.startswith("```\n") and said.endswith("```\n")
    names = [line.split()[0] for line in said.splitlines()[1:-1]]
    assert names == ["system", "libraries", "torch", "gl", "keys", "disk", "plugins"]
    assert "draws: " in said and "of a frame in" in said
    assert "FAL_KEY set" in said and "SORA_API_KEY not set" in said and "very-secret" not in said
    assert "nil-core" in said and "robot a1" in said and "GiB free" in said


def test_doctor_goes_on_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    from nil_core.cli import doctor

    def broken() -> str:
        raise MachineError("no GL here", "apt-get install it")

    monkeypatch.setattr(doctor, "CHECKS", {"gl": broken, "keys": doctor.CHECKS["keys"]})
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 2
    assert "gl          FAILED: no GL here\n            apt-get install it\nkeys        " in result.output
