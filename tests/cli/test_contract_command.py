"""``nil plugins check --contract``, and the groups that are of no kind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from nil_core.cli.main import app
from nil_core.errors import ConfigError, PluginError

PLUGINS = """
import numpy as np
import pluggy
import typer
from pydantic import Field, field_serializer
from nil_core.api import Capability, ComponentCard, Options

OFFLINE = frozenset({Capability.OFFLINE})

class Forgetful(Options):
    scale: float = Field(1.0, description="Of the vector.")

    @field_serializer("scale")
    def _round(self, value): return value + 1

class Needy(Options):
    path: str = Field(description="What to look at.")

SOUND = ComponentCard(kind="encoder", summary="Sees.", target="promises:Eye", capabilities=OFFLINE)
WRONG = ComponentCard(kind="encoder", summary="Sees in doubles.", target="promises:Wrong", capabilities=OFFLINE)
FORGETFUL = ComponentCard(kind="encoder", summary="Sees.", target="promises:Eye", config=Forgetful,
                          capabilities=OFFLINE)
RAISING = ComponentCard(kind="encoder", summary="Raises.", target="promises:Raising", capabilities=OFFLINE)
NEEDY = ComponentCard(kind="encoder", summary="Needs.", target="promises:Eye", config=Needy, capabilities=OFFLINE)
ONLINE = ComponentCard(kind="encoder", summary="Far away.", target="promises:Wrong")

class Eye:
    clip_length, frame_size = 2, 16
    def __init__(self, options): pass
    def encode(self, clips): return clips.mean(axis=(2, 4), dtype=np.float32).reshape(len(clips), -1)

class Wrong(Eye):
    def encode(self, clips): return super().encode(clips).astype(np.float64)

class Raising(Eye):
    def encode(self, clips): raise SystemExit("no license")

class Listening:
    @pluggy.HookimplMarker("nil")
    def metrics(self, step): pass

class Deaf:
    def metrics(self, step): pass

upload = typer.Typer()
"""
TERMS = """
from nil_core.reward.terms import RewardTerm
from nil_core.sim.observation import ObservationTerm

def height(m): return m.root_position[..., 2]
def vector(m): return m.root_position
HEIGHT = RewardTerm("height", "state", height)
VECTOR = RewardTerm("vector", "state", vector)
LAMBDA = RewardTerm("lambda", "state", lambda m: 0.0)

def speed(data, context): return data.qvel[:2]
calls = []
def moody(data, context): return calls.append(1) or [float(len(calls))]
SPEED = ObservationTerm("speed", "m/s", speed)
MOODY = ObservationTerm("moody", "nothing", moody)
"""
ENTRY_POINTS = """[nil.encoders]
sound = promises:SOUND
wrong = promises:WRONG
forgetful = promises:FORGETFUL
raising = promises:RAISING
needy = promises:NEEDY
online = promises:ONLINE
[nil.reward_terms]
height = promised_terms:HEIGHT
vector = promised_terms:VECTOR
lambda = promised_terms:LAMBDA
number = promises:OFFLINE
[nil.observation_terms]
speed = promised_terms:SPEED
moody = promised_terms:MOODY
[nil.hooks]
listening = promises:Listening
deaf = promises:Deaf
[nil.commands]
upload = promises:upload
run = promises:upload
[nil.encoder]
lost = promises:SOUND
"""


@pytest.fixture(scope="module", autouse=True)
def site(fresh_site: Callable[[], Any], visible: Callable[[Path], Any]) -> Iterator[None]:
    site = fresh_site()
    site.add("nil-promises", ENTRY_POINTS, version="2.0", promises=PLUGINS, promised_terms=TERMS)
    with visible(site.install()):
        yield


def check(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["plugins", "check", *arguments], env={"COLUMNS": "250"})


def state(result: Result, name: str) -> str:
    (line,) = (line for line in result.output.splitlines() if f" {name} " in line and " nil-promises " in line)
    return line.partition(" 2.0 ")[2].strip()


@pytest.mark.parametrize(
    "name", ["encoder.sound", "reward_term.height", "observation_term.speed", "hook.listening", "command.upload"]
)
def test_what_keeps_its_contract(name: str) -> None:
    result = check("--contract", name)
    assert result.exit_code == 0, result.output
    assert state(result, name.partition(".")[2]) == "keeps its contract"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("wrong", "encoder 'wrong' (nil-promises 2.0): breaks its contract: embeddings are float32, not float64"),
        ("forgetful", "breaks its contract: options survive JSON"),
        ("raising", "encoder 'raising' (nil-promises 2.0): its contract cannot be checked: SystemExit: no license"),
        (
            "vector",
            "reward term 'vector' (nil-promises 2.0): breaks its contract: it gives numbers of shape (), not (3,)",
        ),
        ("lambda", "reward term 'lambda' (nil-promises 2.0): "),
        ("moody", "breaks its contract: the same state gives the same numbers"),
        ("number", "promises:OFFLINE is no RewardTerm but of type frozenset"),
        ("deaf", "hook 'deaf' (nil-promises 2.0): none of its methods is marked"),
        ("command.run", "command 'run' (nil-promises 2.0): nil has a command run of its own"),
        ("lost", "nil has no group 'nil.encoder': did its author mean 'nil.encoders'?"),
    ],
)
def test_what_does_not(name: str, says: str) -> None:
    result = check("--contract", name)
    assert result.exit_code == 2
    assert state(result, name.rpartition(".")[2]) == "broken"
    assert says in result.output


def test_what_cannot_be_built_says_why() -> None:
    assert "the encoder 'needy' needs the option 'path'" in state(check("--contract", "needy"), "needy")
    assert state(check("--contract", "needy", "--set", "path=here"), "needy") == "keeps its contract"
    assert "it is not offline" in state(check("--contract", "online"), "online")


def test_without_contract_nothing_is_built() -> None:
    for name in ("wrong", "forgetful", "raising", "vector"):
        assert state(check(name), name) == "works"
    assert state(check("deaf"), "deaf") == "broken"


def test_mistakes() -> None:
    error = check("sond").exception
    assert isinstance(error, PluginError) and "did you mean 'sound'" in error.message
    assert isinstance(check("--contract", "--set", "path=x").exception, ConfigError)


def test_list_names_all_groups_and_imports_nothing() -> None:
    for name in [name for name in sys.modules if name == "promises"]:
        del sys.modules[name]
    result = CliRunner().invoke(app, ["plugins", "list"], env={"COLUMNS": "250"})
    rows = [line.split() for line in result.output.splitlines()]
    for kind, name in (("hook", "deaf"), ("command", "upload"), ("reward", "term")):
        assert any(row[:2] == [kind, name] for row in rows)
    assert "nil has no group 'nil.encoder': did its author mean 'nil.encoders'?" in state(result, "lost")
    assert "promises" not in sys.modules
