"""``nil models``: list, download and locate the pretrained weights of installed plugins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import typer

from nil_core import registry, weights
from nil_core.card import Kind, Weights
from nil_core.entry_points import canonical
from nil_core.errors import ConfigError, NilError
from nil_core.readable import say

app = typer.Typer(help="List, download and locate the pretrained weights of plugins.", no_args_is_help=True)


@dataclass(frozen=True)
class Model:
    """Pretrained weights and a component that can load them."""

    kind: Kind
    plugin: str
    weights: Weights

    @property
    def name(self) -> str:
        """Name on the command line: ``timesformer.base``."""
        return f"{self.plugin}.{self.weights.name}"


def _complete(incomplete: str) -> list[str]:
    names = (name for model in _models() for name in (model.name, model.weights.repository))
    return [name for name in names if name.startswith(incomplete)]


_NAME = typer.Argument(help="plugin.name or owner/model, as in `nil models list`.", autocompletion=_complete)
Name = Annotated[str, _NAME]
Names = Annotated[list[str], _NAME]


@app.command("list")
def list_() -> None:
    """List the models that installed plugins can use: license, size, and whether they are downloaded."""
    models = list(_models())
    width = max((len(model.name) for model in models), default=0)
    for model in models:
        each = model.weights
        state = "downloaded" if _is_downloaded(each) else "not downloaded"
        say(f"{model.name:{width}}  {model.kind:9}  {each.megabytes:>6} MB  {state}")
        say(f"    {each.repository}, {each.license}{f': {each.summary}' if each.summary else ''}")
    if any("-NC" in model.weights.license for model in models):
        say("\nNC: these weights may not be used commercially.")
    say(
        "\nThe option `weights` takes the name after the dot, any other model of the Hugging Face Hub as owner/model,\n"
        f"a local folder, or {weights.RANDOM_TINY}. A run never downloads: nil models fetch NAME does."
    )


@app.command()
def fetch(names: Names) -> None:
    """Download models into the Hugging Face cache. An interrupted download is continued by the next call."""
    for each in [_named(name) for name in names]:
        if each.license:
            say(f"{each.repository}: {each.license}, {each.megabytes} MB")
        say(weights.fetch(each.repository, (each,)))


@app.command()
def where(name: Name) -> None:
    """Print the folder that holds a model."""
    each = _named(name)
    say(weights.locate(each.repository, (each,)))


def _models() -> Iterator[Model]:
    """Models of all working components, in the order of ``nil plugins list``."""
    for finding in registry.check_all():
        for each in finding.card.weights if finding.card else ():
            yield Model(finding.kind, finding.entry.name, each)


def _named(name: str) -> Weights:
    """The model with a name, or with any id of the Hugging Face Hub."""
    models = list(_models())
    for model in models:
        if name == model.weights.repository or canonical(name) in (
            canonical(model.name),
            canonical(f"{model.kind}.{model.name}"),
        ):
            return model.weights
    if name.count("/") == 1:
        return Weights(name, name, license="", megabytes=0)
    nearest = registry.nearest(name, {canonical(model.name): model.name for model in models})
    question = f": did you mean {nearest!r}?" if nearest else ""
    raise ConfigError(f"no model is called {name!r}{question}", "nil models list shows all; use owner/model for others")


def _is_downloaded(each: Weights) -> bool:
    try:
        weights.locate(each.repository, (each,))
    except NilError:
        return False
    return True
