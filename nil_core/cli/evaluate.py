"""``nil eval`` and ``nil play``: evaluate and play back a policy."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nil_core.cli.display import reporter
from nil_core.cli.options import evaluation_changes
from nil_core.errors import ConfigError
from nil_core.readable import say


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
    folder: Folder,
    episodes: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_EPISODES, help="Episodes per policy; default: the run's config.", show_default=False
        ),
    ] = None,
    seed: Seed = 0,
    which: Checkpoint = Which.newest,
    json: Annotated[bool, typer.Option("--json", help="Print only the rows, as JSON.")] = False,
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
    """
    from nil_core.experiment.evaluate import evaluate as evaluate_run
    from nil_core.reporting import Silent

    changes = evaluation_changes(set_ or [])
    if mocap is not None:
        changes["evaluation.mocap"] = str(mocap)
    if falls is not None:
        changes["evaluation.falls"] = falls.value
    if json:
        from json import dumps

        say(dumps(evaluate_run(folder, episodes, seed, which, Silent(), changes), indent=2))
        return
    with reporter() as show:
        evaluate_run(folder, episodes, seed, which, show, changes)


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
