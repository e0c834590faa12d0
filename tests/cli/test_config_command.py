"""``nil config show``: every value and where it comes from, and a file that gives the run again."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from nil_core.cli.main import app
from nil_core.config import RunConfig, flatten, resolve
from nil_core.errors import ConfigError


def show(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["config", "show", *arguments], env={"COLUMNS": "200"})


def rows(result: Result) -> dict[str, tuple[str, str]]:
    """Key to value and origin."""
    cells = (tuple(cell.strip() for cell in line.split("│")[1:-1]) for line in result.output.splitlines())
    return {row[0]: (row[1], row[2]) for row in cells if len(row) == 3}


def test_every_value_with_its_origin(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('skill = "trotting"\nseed = 5\n[reward]\niou = 0.25\n[agent]\nlearning_starts = 7\n')
    options = ["--preset", "smoke", "--config", str(file), "--seed", "9", "--agent", "sac", "--set", "reward.feet=0.5"]
    found = rows(show(*options, "--set", "agent.batch_size=64"))
    for key, row in {
        "skill": ("'trotting'", str(file)),
        "seed": ("9", "option"),
        "steps": ("160", "preset smoke"),
        "video.seconds": ("0.4", "preset smoke"),
        "reward.iou": ("0.25", str(file)),
        "reward.feet": ("0.5", "--set"),
        "reward.video": ("1.0", "default"),
        "agent.name": ("'sac'", "option"),
        "agent.learning_starts": ("7", str(file)),
        "agent.batch_size": ("64", "--set"),
        "agent.gamma": ("0.95", "default"),
        "robot.self_collision": ("False", "default"),
        "environment.observation.preview": ("2", "default"),
    }.items():
        assert found[key] == row, key
    assert set(flatten(RunConfig().model_dump())) <= set(found), "no value is left out"


def test_its_toml_gives_the_same_run(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    result = show("--preset", "smoke", "--skill", "trotting", "--set", "agent.hidden=[32, 32]", "--toml")
    file.write_text(result.output)
    again = show("--config", str(file), "--toml")
    assert result.exit_code == again.exit_code == 0
    assert tomllib.loads(again.output) == tomllib.loads(result.output)
    config = resolve(file=file).config
    assert (config.skill, config.steps, config.agent.options["hidden"]) == ("trotting", 160, [32, 32])


def test_all_options_of_a_run_together(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("[training]\nlog_every = 7\n")
    names = ["--generator", "gait", "--encoder", "hog", "--segmenter", "sim_mask", "--robot", "a1", "--agent", "sac"]
    rest = ["--skill", "walking", "--steps", "11", "--seed", "3", "--set", "reward.iou=0", "--preset", "quickstart"]
    found = rows(show(*names, *rest, "--config", str(file)))
    wanted = {"generator.name": "'gait'", "steps": "11", "seed": "3", "reward.iou": "0.0", "training.log_every": "7"}
    assert {key: found[key][0] for key in wanted} == wanted


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--set", "reward.iuo=0"], "no option 'iuo'"),
        (["--preset", "none"], "'none'"),
        (["--agent", "sac", "--set", "agent.size=3"], "no option 'size'"),
    ],
)
def test_it_refuses_what_a_run_refuses(options: list[str], says: str) -> None:
    error = show(*options).exception
    assert isinstance(error, ConfigError) and says in error.message


def test_completion_offers_what_is_installed(
    visible: Callable[[Path], Any], fresh_site: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = fresh_site()
    site.add("nil-robot-rex", "[nil.robots]\nrex = nowhere:CARD\n")
    monkeypatch.setenv("_NIL_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "nil run --robot r")
    monkeypatch.setenv("COMP_CWORD", "3")
    with visible(site.install()):
        assert CliRunner().invoke(app, [], prog_name="nil").output.split() == ["rex"]
