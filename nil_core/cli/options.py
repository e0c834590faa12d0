"""Options shared by several commands, and the config made from them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from nil_core import registry
from nil_core.card import Kind
from nil_core.components import follow_components
from nil_core.config import Resolved, parse_set, resolve
from nil_core.errors import ConfigError
from nil_core.payment import Consent, asking, refuse
from nil_core.presets import PRESETS


def installed_names(kind: Kind) -> Callable[[str], list[str]]:
    """Shell completion of the names of installed components."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in registry.names(kind) if name.startswith(incomplete)]

    return complete


def _component(kind: Kind, description: str) -> Any:
    help_ = f"{description} (nil plugins list)."
    return typer.Option(f"--{kind}", help=help_, autocompletion=installed_names(kind), show_default=False)


Generator = Annotated[str | None, _component("generator", "Video generator")]
Encoder = Annotated[str | None, _component("encoder", "Video encoder")]
Segmenter = Annotated[str | None, _component("segmenter", "Segmenter of the robot; auto: depends on the generator")]
Robot = Annotated[str | None, _component("robot", "Robot")]
Agent = Annotated[str | None, _component("agent", "RL agent")]
Reward = Annotated[str | None, _component("reward", "Reward")]
Skill = Annotated[str | None, typer.Option(help="Skill to learn, e.g. walking.", show_default=False)]
Prompt = Annotated[
    str | None, typer.Option(help="Complete prompt, instead of the paper's template.", show_default=False)
]
NegativePrompt = Annotated[
    str | None, typer.Option(help="Negative prompt, for generators that support one.", show_default=False)
]
Track = Annotated[
    str | None, typer.Option(help="Trackers that send data to other machines, e.g. wandb,mlflow.", show_default=False)
]
Seed = Annotated[int | None, typer.Option(help="Seed of all random numbers.", show_default=False)]
Steps = Annotated[int | None, typer.Option(help="Environment steps of training.", show_default=False)]
Preset = Annotated[
    str | None,
    typer.Option(
        help=f"Base settings: {', '.join(PRESETS)}; default {next(iter(PRESETS))}.",
        autocompletion=lambda incomplete: [name for name in PRESETS if name.startswith(incomplete)],
        show_default=False,
    ),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="TOML config file (nil config show --toml).", show_default=False)
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Set any config value by its dotted key; repeatable.", show_default=False
    ),
]
Out = Annotated[Path | None, typer.Option(help="Output folder.", show_default=False)]

NoCache = Annotated[
    bool,
    typer.Option("--no-cache", help="Ignore cached results, but store new ones; NIL_NO_CACHE=1 for every command."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Accept the price of a paid generator without a prompt.")]


def consent(yes: bool, say: Callable[[str], None]) -> Consent:
    """Consent to a payment: given beforehand, asked at a prompt, or (without a terminal) refused."""
    if yes:
        return lambda estimate: say(f"paying {estimate}")
    if not sys.stdin.isatty():
        return refuse

    def confirm(question: str) -> bool:
        say("")  # stop the progress display
        return typer.confirm(question)

    return asking(confirm)


def resolved(preset: str | None, file: Path | None, sets: list[str] | None, **options: Any) -> Resolved:
    """The config made from a command's options; options that are not set are None."""
    found = resolve(preset or next(iter(PRESETS)), file, options, sets or ())
    explicit = {key for key, origin in found.origins.items() if not origin.startswith("preset ")}
    config, following = follow_components(found.config, explicit)
    return Resolved(config, {**found.origins, **following})


def evaluation_changes(sets: list[str]) -> dict[str, Any]:
    """Parse ``--set`` of ``nil eval``: changes of the reward and of the evaluation, by dotted key.

    Raises:
        ConfigError: a key outside of both.
    """
    changes = dict(map(parse_set, sets))
    for key in changes:
        if key.partition(".")[0] not in ("reward", "evaluation"):
            raise ConfigError(
                f"nil eval can only change the reward and the evaluation, not {key}",
                "for example: --set reward.torque=0.05",
            )
    return changes


def split_sets(names: list[str], sets: list[str]) -> dict[str, list[str]]:
    """Split ``--set`` of several generators: ``NAME.key=value`` is only for that generator, others are for all.

    Raises:
        ConfigError: a duplicate or empty name.
    """
    if not all(names) or len(set(names)) < len(names):
        raise ConfigError(
            f"--generator {','.join(names)} contains a duplicate or empty name", "for example: --generator gait,svd"
        )
    prefixes = {text: text.partition(".")[0].strip() for text in sets}
    return {
        name: [
            text if prefixes[text] not in names else f"generator.{text.partition('.')[2]}"
            for text in sets
            if prefixes[text] not in names or prefixes[text] == name
        ]
        for name in names
    }
