"""``nil config``: show the configuration of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from nil_core.cli import options as o
from nil_core.cli import tables

app = typer.Typer(help="Show the configuration of a run.", no_args_is_help=True)


@app.callback()
def _config() -> None:
    pass


@app.command()
def show(
    generator: o.Generator = None,
    encoder: o.Encoder = None,
    segmenter: o.Segmenter = None,
    robot: o.Robot = None,
    agent: o.Agent = None,
    reward: o.Reward = None,
    skill: o.Skill = None,
    prompt: o.Prompt = None,
    negative_prompt: o.NegativePrompt = None,
    seed: o.Seed = None,
    steps: o.Steps = None,
    track: o.Track = None,
    preset: o.Preset = None,
    config: o.ConfigFile = None,
    set_: o.Sets = None,
    toml: Annotated[bool, typer.Option("--toml", help="Print a TOML file for --config instead.")] = False,
) -> None:
    """Print every value with its origin, including component options; takes the options of nil run that set values."""
    from nil_core.components import choose
    from nil_core.config import flatten

    resolved = o.resolved(
        preset, config, set_, generator=generator, encoder=encoder, segmenter=segmenter, robot=robot, agent=agent,
        reward=reward, skill=skill, prompt=prompt, negative_prompt=negative_prompt, seed=seed, steps=steps, track=track,
    )  # fmt: skip
    tree = resolved.config.model_dump()
    for kind, chosen in choose(resolved.config).items():
        tree[kind] = {"name": chosen.name, **chosen.options.model_dump(mode="json")}
    if toml:
        import tomli_w

        typer.echo(tomli_w.dumps(_without_none(tree)).encode(), nl=False)  # TOML is UTF-8 whatever a terminal shows
        return
    rows = [
        (key, repr(value) if isinstance(value, str) else str(value), resolved.origin(key))
        for key, value in flatten(tree).items()
    ]
    tables.show_table(tables.new_console(), ("key", "value", "origin"), rows, boxed=True)


def _without_none(tree: dict[str, object]) -> dict[str, object]:
    return {k: _without_none(v) if isinstance(v, dict) else v for k, v in tree.items() if v is not None}
