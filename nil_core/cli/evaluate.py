"""``nil eval`` and ``nil play``: evaluate and play back a policy."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import nullcontext
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from nil_core.cli.display import reporter
from nil_core.cli.options import evaluation_changes
from nil_core.errors import ConfigError, NilError, RunError
from nil_core.readable import say
from nil_core.reporting import Silent
from nil_core.storage import study_index
from nil_core.storage.os_errors import exists


class Which(StrEnum):
    """Checkpoint to use."""

    newest = "newest"
    best = "best"


class Falls(StrEnum):
    """What ends an episode for LocoMuJoCo's reward."""

    robot = "robot"
    locomujoco = "locomujoco"


MOST_EPISODES = 1000
"""Each episode has its own environment, all at once."""

Folder = Annotated[Path, typer.Argument(help="Run folder.", show_default=False)]
Seed = Annotated[int, typer.Option(help="Seed of the start states.", min=0)]
Checkpoint = Annotated[Which, typer.Option("--checkpoint", help="Checkpoint to use.")]


def evaluate(
    folder: Annotated[Path, typer.Argument(help="Run folder; with --save also a study folder.", show_default=False)],
    episodes: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_EPISODES, help="Episodes per policy; default: the run's config.", show_default=False
        ),
    ] = None,
    seed: Seed = 0,
    which: Checkpoint = Which.newest,
    json: Annotated[bool, typer.Option("--json", help="Print only the rows, as JSON.")] = False,
    save: Annotated[
        bool,
        typer.Option(
            "--save", help="Keep the result in evaluation.json of the run, for nil report; of a study, of all its runs."
        ),
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change the reward or the evaluation: reward.KEY=VALUE, evaluation.KEY=VALUE.",
            show_default=False,
        ),
    ] = None,
    mocap: Annotated[
        Path | None,
        typer.Option(help="Recording of the robot, for the MoCap loss (generator mocap).", show_default=False),
    ] = None,
    falls: Annotated[
        Falls | None,
        typer.Option(
            help="What ends an episode for LocoMuJoCo's reward: falls of the robot, or also LocoMuJoCo's limits.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Evaluate a run's policy, standing still and other baselines.

    Also prints LocoMuJoCo's reward, the quality of the motion, and distances from a recording and from the reference's
    own trajectory. The main columns are printed with their standard deviation and 95 % confidence interval.

    With --save, nil report and nil runs compare show this evaluation where all compared runs have one of its settings,
    for example the MoCap loss of runs that were learned without a recording.
    """
    changes = evaluation_changes(set_ or [])
    if mocap is not None:
        changes["evaluation.mocap"] = str(mocap)
    if falls is not None:
        changes["evaluation.falls"] = falls.value
    evaluate_run = partial(_evaluate_run, episodes=episodes, seed=seed, which=which.value, sets=changes, save=save)
    if exists(folder / study_index.NAME):
        _evaluate_study(folder, evaluate_run, save, json)
    elif json:
        _say_json(evaluate_run(folder, reporter=Silent()))
    else:
        with reporter() as show:
            show.spread(evaluate_run(folder, reporter=show))


def _evaluate_run(folder: Path, **options: Any) -> dict[str, Any]:
    from nil_core.experiment.evaluate import evaluate as evaluate_run

    return evaluate_run(folder, **options)


def _say_json(value: Any) -> None:
    from json import dumps

    say(dumps(value, indent=2))


def _evaluate_study(folder: Path, evaluate_run: Callable[..., dict[str, Any]], save: bool, json: bool) -> None:
    """Evaluate and save every finished run of a study; one that cannot be is a warning, and the exit code says so."""
    if not save:
        raise ConfigError(f"{folder} is a study", "nil eval RUN evaluates one of its runs; --save all of them")
    from nil_core.report.sources import read_sources

    runs = read_sources([folder])[0].runs
    finished = [run for run in runs if run.outcome == "compared"]
    if not finished:
        raise RunError(f"no run of the study {folder} is finished", f"nil study {shlex.quote(str(folder))}")
    rows: dict[str, Any] = {}
    errors: list[NilError] = []
    with nullcontext(Silent()) if json else reporter() as show:
        for number, run in enumerate(finished, start=1):
            try:
                rows[run.shown_path] = evaluate_run(run.path, reporter=Silent())
            except NilError as error:
                if isinstance(error, ConfigError) and not (rows or errors):
                    raise  # it is the same for all
                errors.append(error)
                typer.echo(f"warning: {run.shown_path}: {error.message}", err=True)
            show.progress(number, len(finished), "runs evaluated")
        show.say(
            f"saved {len(rows)} of {len(runs)} runs ({len(runs) - len(finished)} not finished, {len(errors)} failed); "
            f"the tables: nil report {shlex.quote(str(folder))}"
        )
    if json:
        _say_json(rows)
    if errors:
        raise typer.Exit(max(error.exit_code for error in errors))


def play(
    folder: Folder,
    out: Annotated[Path | None, typer.Option(help="Output mp4; default: videos/play.mp4 of the run.")] = None,
    seed: Seed = 0,
    size: Annotated[int, typer.Option(min=64, max=2048, help="Side of the video in pixels.")] = 480,
    which: Checkpoint = Which.newest,
    viewer: Annotated[bool, typer.Option(help="Open MuJoCo's viewer if there is a display.")] = True,
    web: Annotated[bool, typer.Option("--web", help="Show it in a browser in 3D instead; writes no video.")] = False,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of --web; default: 8080.", show_default=False)
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            help="Address of --web; default: 127.0.0.1, this machine only. 0.0.0.0: every network.", show_default=False
        ),
    ] = None,
) -> None:
    """Play a run's policy: write an mp4 with floor and shadows, and open a viewer if there is a display.

    With --web, a page shows the policy in 3D, episode after episode, beside its reference, until Ctrl-C. It needs no
    display on this machine: another machine reaches it through ssh -L.
    """
    if not web and (port, host) != (None, None):
        raise ConfigError("--port and --host belong to --web", "add --web, or leave them out")
    if web and out is not None:
        raise ConfigError("--web writes no video", "leave out --out, or --web")
    with reporter() as show:
        if web:
            from nil_core.experiment.play_in_browser import LOOPBACK, PORT, play_in_browser

            play_in_browser(folder, host or LOOPBACK, port or PORT, seed, which, show)
        else:
            from nil_core.experiment.play import play as play_policy

            play_policy(folder, out, seed, size, which, viewer, show)
