"""Agents of others: one that wraps another plugin, knows what its observation holds, and resumes inexactly."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from nil_core.cli.main import app
from nil_core.testing.contract import check_contract

CARDS = """
from pydantic import Field
from nil_core.api import Capability, ComponentCard, Options

class WrapperOptions(Options):
    inner: str = Field("random", description="The agent that acts.")

class FaintOptions(Options):
    contrast: float = Field(1e-2, description="Of the picture.")

AGENT = ComponentCard(
    kind="agent", summary="Another agent.", target="wrapping_agent:Wrapper", config=WrapperOptions,
    capabilities=frozenset({Capability.OFFLINE, Capability.INEXACT_RESUME}), wraps=(("inner", "agent"),),
)
ENCODER = ComponentCard(
    kind="encoder", summary="Sees hardly anything.", target="wrapping_agent:Faint", config=FaintOptions,
    capabilities=frozenset({Capability.OFFLINE}),
)
"""
CODE = """
import json
import numpy as np
from nil_core.api import RunError, build

class Wrapper:
    "Lets another agent act, and starts that anew when it is loaded."

    def __init__(self, options, spec):
        self.spec, self.inner = spec, build("agent", options.inner, {}, spec)

    def act(self, observations, explore):
        actions = self.inner.act(observations, explore)
        return actions if explore else np.zeros_like(actions)

    def observe(self, transitions): self.inner.observe(transitions)

    def update(self, steps): return self.inner.update(steps)

    def save(self, folder):
        where = {name: [each.start, each.stop] for name, each in self.spec.layout.items()}
        (folder / "layout.json").write_text(json.dumps([self.spec.action_size, where]))

    def load(self, folder):
        try:
            size = json.loads((folder / "layout.json").read_text())[0]
        except OSError:
            raise RunError("nothing is saved here", "another folder") from None
        if size != self.spec.action_size:
            raise RunError("this is of another robot", "the robot that it was saved with")

class Faint:
    clip_length, frame_size = 2, 16

    def __init__(self, options): self.contrast = options.contrast

    def encode(self, clips):
        seen = clips.mean(axis=(2, 4), dtype=np.float32).reshape(len(clips), -1) / 255 * self.contrast
        return np.concatenate([np.ones((len(clips), 1), np.float32), seen], axis=1)
"""
ENTRY_POINTS = "[nil.agents]\nwrapper = wrapping:AGENT\n[nil.encoders]\nfaint = wrapping:ENCODER\n"


@pytest.fixture(scope="module", autouse=True)
def installed(fresh_site: Callable[[], Any], visible: Callable[[Path], Any]) -> Iterator[None]:
    site = fresh_site()
    site.add("nil-agent-wrapper", ENTRY_POINTS, version="3.1", wrapping=CARDS, wrapping_agent=CODE)
    with visible(site.install()):
        yield


def test_an_agent_that_wraps_another_passes_and_says_that_it_resumes_inexactly(
    nil: Callable[..., Any], fast: Sequence[str], tmp_path: Path
) -> None:
    assert check_contract("agent", "wrapper", {}) == ""
    outcome = nil("run", *fast, "--agent", "wrapper", "--steps", "40", "--out", "run")
    assert outcome.code == 0, outcome.err
    told = "the agent wrapper does not save all of its state"
    assert outcome.out.count(told) == 1
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["versions"]["nil-agent-wrapper"] == "3.1"
    assert [each["name"] for each in manifest["components"]["agent"]["wraps"]] == ["random"]
    (saved,) = (tmp_path / "run" / "checkpoints").glob("step-*/agent/layout.json")
    _, layout = json.loads(saved.read_text())
    assert (layout["joint_positions"], layout["joint_velocities"]) == ([0, 12], [12, 24])
    assert list(layout)[-1] == "preview" and layout["preview"][1] > layout["preview"][0]
    resumed = nil("run", "--resume", "run", "--steps", "80")
    assert resumed.code == 0, resumed.err
    assert resumed.out.count(told) == 1 and "from step 40 on it is another run" in resumed.out
    nil("run", *fast, "--agent", "wrapper", "--set", "agent.inner=sak").complains("no agent is called 'sak'", "sac")


def test_an_encoder_that_hardly_sees_the_motion_is_warned_of(nil: Callable[..., Any], fast: Sequence[str]) -> None:
    options = ["--agent", "zero", "--steps", "8", "--set", "reward.scale=raw"]
    outcome = nil("run", *fast, *options, "--encoder", "faint", "--set", "encoder.contrast=0.02")
    assert outcome.code == 0, outcome.err
    warning = next(line for line in outcome.out.splitlines() if "looks like standing still" in line)
    command = re.search(r"nil encoders rank .*", warning)
    assert command is not None
    words = shlex.split(command[0])
    assert words[3:] == ["faint", "--robot", "a1", "--set", "encoder.contrast=0.02"]
    rank = typer.main.get_command(app).commands["encoders"].commands["rank"]  # type: ignore[attr-defined]
    assert rank.make_context("rank", words[3:]).params["robot"] == "a1"
    assert "looks like standing still" not in nil("run", *fast, *options).out, "hog sees it"
