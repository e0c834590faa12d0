"""``nil demos`` and ``nil record``: demonstrations for baselines that learn from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nil_core.cli import options as o
from nil_core.cli.display import reporter
from nil_core.cli.evaluate import MOST_EPISODES, Checkpoint, Folder, Seed, Which
from nil_core.errors import ConfigError

app = typer.Typer(help="Make and show demonstrations for baselines.", no_args_is_help=True)

OutFile = Annotated[Path, typer.Option("--out", help="The npz to write.", show_default=False)]


@app.command()
def make(
    out: OutFile,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE...]",
            help="Recordings of one robot, or files of demonstrations to join; without any, the motion that a "
            "generator draws.",
            show_default=False,
        ),
    ] = None,
    robot: o.Robot = None,
    generator: o.Generator = None,
    skill: o.Skill = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            min=0.1, help="Length of each trajectory; shorter recordings are repeated. Default 10.", show_default=False
        ),
    ] = None,
    hz: Annotated[float, typer.Option(min=1, max=1000, help="States per second.")] = 100.0,
    set_: o.Sets = None,
) -> None:
    """Make demonstrations from recordings of any layout that the generator mocap reads, or from a planned motion.

    --set generator.KEY=VALUE sets an option of mocap, for example generator.piece=1, or without files of the generator.
    """
    from nil_core.experiment.demonstrate import make_demonstrations

    if files and generator not in (None, "mocap"):
        raise ConfigError(f"recordings are read by mocap, not by {generator}", "leave out the files or --generator")
    chosen = "mocap" if files else generator
    config = o.resolved(None, None, set_, generator=chosen, robot=robot, skill=skill).config
    with reporter() as show:
        make_demonstrations(files or [], out, config, seconds, hz, show)


@app.command("show")
def show_file(
    file: Annotated[Path, typer.Argument(help="File of demonstrations.", show_default=False)],
    video: Annotated[Path | None, typer.Option(help="Draw the motion into this mp4.", show_default=False)] = None,
    size: Annotated[int, typer.Option(min=64, max=2048, help="Side of the video in pixels.")] = 320,
    seconds: Annotated[
        float,
        typer.Option(min=0.1, help="Length of the video at most: of each trajectory an equal part, from its start."),
    ] = 10.0,
    robot: o.Robot = None,
    set_: o.Sets = None,
) -> None:
    """Show what a file of demonstrations holds.

    The video is of the robot that the file names, unless --robot and --set name another one of the same joints.
    """
    from nil_core.experiment.demonstrate import show_demonstrations

    config = o.resolved(None, None, set_, robot=robot).config if robot or set_ else None
    with reporter() as show:
        show_demonstrations(file, video, config, size, seconds, show)


def record(
    folder: Folder,
    out: OutFile,
    episodes: Annotated[int, typer.Option(min=1, max=MOST_EPISODES, help="Episodes to record.")] = 10,
    seed: Seed = 0,
    which: Checkpoint = Which.newest,
    explore: Annotated[
        bool, typer.Option("--explore", help="Act with the exploration of training, not deterministically.")
    ] = False,
) -> None:
    """Record a run's policy as demonstrations: states, observations and actions."""
    from nil_core.experiment.demonstrate import record as record_policy

    with reporter() as show:
        record_policy(folder, out, episodes, seed, which, explore, show)
