"""``nil encoders``: measure how well encoders distinguish motions of a robot, before a long run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nil_core import registry
from nil_core.card import Capability
from nil_core.cli import options as o
from nil_core.cli.display import Screen, reporter
from nil_core.cli.result_tables import TableLines
from nil_core.errors import NilError, PluginError

if TYPE_CHECKING:
    from nil_core.evaluation.ranking import Played, Ranking

app = typer.Typer(help="Compare encoders on motions of a robot.", no_args_is_help=True)


@app.callback()
def _encoders() -> None:
    pass


@app.command()
def rank(
    encoders: Annotated[
        list[str] | None,
        typer.Argument(help="Encoders; default: all installed.", autocompletion=o.installed_names("encoder")),
    ] = None,
    robot: o.Robot = None,
    mocap: Annotated[
        Path | None,
        typer.Option(
            help="Recorded walk (any file that mocap reads), instead of a procedural gait.", show_default=False
        ),
    ] = None,
    set_: o.Sets = None,
) -> None:
    """Rank encoders by how well their similarity to a walk orders fifteen other behaviors.

    Behaviors are sorted by the distance of the bodies from those of the walk; for a good encoder, similarity decreases
    from row to row.
    """
    import nil_core.sim  # noqa: F401  chooses the OpenGL backend before anything imports mujoco

    # isort: split
    from nil_core.components import choose
    from nil_core.evaluation import ranking
    from nil_core.evaluation.behaviors import behaviors, walk
    from nil_core.experiment.experiment import build_scene
    from nil_core.video.clips import ClipEmbedder

    source = {"generator": "mocap", "generator.path": str(mocap)} if mocap else {}
    embedders, configs = {}, []
    with reporter() as show:
        for name in encoders or registry.names("encoder"):
            config = o.resolved(None, None, set_, robot=robot, encoder=name, **source).config
            try:
                chosen = choose(config)["encoder"]
                embedders[name] = ClipEmbedder(chosen.build(), chosen.can(Capability.FRAME_WISE), name)
                configs.append(config)
            except NilError as error:
                if encoders:
                    raise
                show.warn(f"{name} is skipped: {error.message}; {error.hint}")
        if not embedders:
            raise PluginError("no encoder to rank is installed", "name one: nil encoders rank hog")
        choice = choose(configs[0])
        scene = build_scene(configs[0], choice)
        motion = walk(configs[0], choice, scene, show.progress)
        played = ranking.play(scene, behaviors(scene, motion, configs[0].environment.tick_hz), show.progress)
        rankings = {name: ranking.rank(played, embedder, show.progress, name) for name, embedder in embedders.items()}
        _show(show, scene.spec.name, played, rankings)


def _show(show: Screen | TableLines, robot: str, played: Mapping[str, Played], rankings: Mapping[str, Ranking]) -> None:
    from nil_core.evaluation.behaviors import EXPECTED_ORDER
    from nil_core.evaluation.ranking import overlap

    distances_cm = {name: 100 * float(each.errors.mean()) for name, each in played.items()}
    similarities = {"IoU": overlap(played)} | {name: each.similarity for name, each in rankings.items()}
    table = [
        [name, f"{distances_cm[name]:.1f}", *(f"{similarity[name]:.3f}" for similarity in similarities.values())]
        for name in sorted(distances_cm, key=distances_cm.__getitem__)
    ]
    show.table(f"Similarity to a walk of {robot}", ["behavior", "distance cm", *similarities], table)
    rows = [
        [name, "yes" if r.in_order else "no", f"{r.behaviors:.3f}", f"{r.clips:.3f}", f"{1000 * r.seconds:.2f}"]
        for name, r in rankings.items()
    ]
    show.table("Encoders", ["encoder", "in order", "rank, behaviors", "rank, clips", "ms per clip"], rows)
    show.say(
        f"in order: {' > '.join(EXPECTED_ORDER)}; rank: Spearman's correlation of similarity with negative distance"
    )
