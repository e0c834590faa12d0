"""The options that several commands share, and the config they add up to."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from nil_core import registry
from nil_core.card import Kind
from nil_core.config import Resolved, parse_set, resolve
from nil_core.errors import ConfigError
from nil_core.payment import Consent, asking, refuse
from nil_core.presets import PRESETS


def installed_names(kind: Kind) -> Callable[[str], list[str]]:
    """What a shell completes: the names of installed components of a kind."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in registry.names(kind) if name.startswith(incomplete)]

    return complete


def _component(kind: Kind, what: str) -> Any:
    help_ = f"{what} (nil plugins list)."
    return typer.Option(f"--{kind}", help=help_, autocompletion=installed_names(kind), show_default=False)


Generator = Annotated[str | None, _component("generator", "What makes the video")]
Encoder = Annotated[str | None, _component("encoder", "What embeds clips")]
Segmenter = Annotated[str | None, _component("segmenter", "What finds the robot in it; auto: what suits the generator")]
Robot = Annotated[str | None, _component("robot", "Whose body")]
Agent = Annotated[str | None, _component("agent", "What learns")]
Reward = Annotated[str | None, _component("reward", "What is learned from")]
Skill = Annotated[str | None, typer.Option(help="What the robot shall do, e.g. walking.", show_default=False)]
Prompt = Annotated[str | None, typer.Option(help="The whole sentence, instead of the paper's.", show_default=False)]
NegativePrompt = Annotated[
    str | None, typer.Option(help="What the video shall not show, for generators that take it.", show_default=False)
]
Seed = Annotated[int | None, typer.Option(help="Seeds everything random.", show_default=False)]
Steps = Annotated[int | None, typer.Option(help="Environment steps to learn for.", show_default=False)]
Preset = Annotated[
    str | None,
    typer.Option(
        help=f"Where values start from: {', '.join(PRESETS)}; default {next(iter(PRESETS))}.",
        autocompletion=lambda incomplete: [name for name in PRESETS if name.startswith(incomplete)],
        show_default=False,
    ),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="TOML file of values (nil config show --toml).", show_default=False)
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any value by its dotted key, repeatable.", show_default=False),
]
Out = Annotated[Path | None, typer.Option(help="Folder to make.", show_default=False)]

NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Make everything anew, and store it; NIL_NO_CACHE=1 for every command.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Agree to what a paid generator costs, without being asked.")]


def consent(yes: bool, say: Callable[[str], None]) -> Consent:
    """How a person agrees to pay: beforehand, at a prompt, or (where there is no terminal) not at all."""
    if yes:
        return lambda estimate: say(f"paying {estimate}")
    if not sys.stdin.isatty():
        return refuse

    def confirm(question: str) -> bool:
        say("")  # what moves on the screen comes to rest
        return typer.confirm(question)

    return asking(confirm)


def resolved(preset: str | None, file: Path | None, sets: list[str] | None, **options: Any) -> Resolved:
    """The config that a command's options add up to; options that were not given are None."""
    return resolve(preset or next(iter(PRESETS)), file, options, sets or ())


def reward_changes(sets: list[str]) -> dict[str, Any]:
    """``--set`` of ``nil eval``: another reward, by dotted key.

    Raises:
        ConfigError: a key outside the reward.
    """
    changes = dict(map(parse_set, sets))
    for key in changes:
        if key.partition(".")[0] != "reward":
            raise ConfigError(
                f"nil eval can change the reward alone, not {key}", "for example: --set reward.torque=0.05"
            )
    return changes


def shared_out(names: list[str], sets: list[str]) -> dict[str, list[str]]:
    """``--set`` of several generators: ``NAME.key=value`` goes to that one alone, all else to all.

    Raises:
        ConfigError: a name twice or empty.
    """
    if not all(names) or len(set(names)) < len(names):
        raise ConfigError(
            f"--generator {','.join(names)} names one twice, or none", "for example: --generator gait,svd"
        )
    addressed = {text: text.partition(".")[0].strip() for text in sets}
    return {
        name: [
            text if addressed[text] not in names else f"generator.{text.partition('.')[2]}"
            for text in sets
            if addressed[text] not in names or addressed[text] == name
        ]
        for name in names
    }
