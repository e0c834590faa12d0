"""The contract checks over every installed component that works offline: a new plugin is covered by being there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dm_control import suite
from pydantic import ValidationError

from nil_core import registry
from nil_core.api import (
    AgentSpec,
    Capability,
    ComponentCard,
    Demonstrations,
    Robot,
    write_demonstrations,
    write_video,
)
from nil_core.registry import Finding
from nil_core.testing import (
    ToyQuadruped,
    check_agent,
    check_card,
    check_encoder,
    check_generator,
    check_light,
    check_network,
    check_reward,
    check_robot,
    check_segmenter,
    moving_blob,
    toy_demonstrations,
    toy_request,
    toy_scene,
)

FOUND = list(registry.check_all())
SOUND = [finding for finding in FOUND if finding.card is not None]


def a_video(folder: Path) -> str:
    path = folder / "blob.mp4"
    video = moving_blob()
    write_video(path, video.frames, video.fps)
    return str(path)


def a_recording(folder: Path) -> str:
    """Every joint of every robot swings a little."""
    times = np.arange(750) / 500
    joints = {actuator.joint for robot in robots(folder) for actuator in robot.spec.actuators}
    names = [f"trunk_{part}" for part in ("tx", "ty", "tz", "tilt", "list", "rotation")] + sorted(joints)
    path = folder / "swing.npz"
    np.savez(path, **{f"q_{name}": 0.05 * np.sin(2 * np.pi * times) for name in names})
    return str(path)


def task_demos(folder: Path) -> str:
    """Of what the contract of agents acts in: 7 observed numbers, 3 actions."""
    rng, path = np.random.default_rng(0), folder / "demonstrations.npz"
    rows = {"qpos": np.zeros((20, 1)), "qvel": np.zeros((20, 1))}
    rows |= {"actions": rng.uniform(-1, 1, (20, 3)).astype("f4"), "observations": rng.normal(size=(20, 7)).astype("f4")}
    write_demonstrations(path, Demonstrations("any", ("a", "b", "c"), 25.0, np.array([20]), **rows))
    return str(path)


def some_demonstrations(folder: Path) -> str:
    path = folder / "trot.npz"
    write_demonstrations(path, toy_demonstrations(toy_scene(size=16)))
    return str(path)


def few_steps(folder: Path) -> dict[str, Any]:
    """Options of a reward that learns from demonstrations."""
    return {"demonstrations": some_demonstrations(folder), "hidden": [8], "batch_size": 8, "update_every": 4}


def a_model() -> str:
    return str(Path(suite.__file__).parent / "quadruped.xml")


SAMPLES: dict[tuple[str, str], Callable[[Path], dict[str, Any]]] = {
    ("generator", "file"): lambda folder: {"path": a_video(folder)},
    ("generator", "mocap"): lambda folder: {"path": a_recording(folder)},
    ("robot", "mjcf"): lambda folder: {"path": a_model()},
    ("agent", "bc"): lambda folder: {
        "demonstrations": task_demos(folder),
        "gradient_steps": 40,
        "hidden": [8],
    },
    ("agent", "bco"): lambda folder: {
        "demonstrations": task_demos(folder),
        "exploration_steps": 16,
        "hidden": [8],
    },
    ("agent", "bro"): lambda folder: {
        "learning_starts": 16,
        "batch_size": 8,
        "critic_width": 8,
        "actor_width": 8,
        "quantiles": 5,
        "replay_ratio": 2,
    },
    ("agent", "bro_fast"): lambda folder: {"learning_starts": 16, "batch_size": 8, "critic_width": 8, "actor_width": 8},
    ("agent", "ppo"): lambda folder: {"rollout_steps": 3, "batch_size": 5, "hidden": [8]},
    ("agent", "sac"): lambda folder: {"learning_starts": 16, "batch_size": 8, "hidden": [8]},
    ("reward", "amp"): few_steps,
    ("reward", "drail"): few_steps,
    ("reward", "gaifo"): few_steps,
}
"""Options for those that do nothing with their defaults, or need one; others are tested as they come."""


def ident(finding: Finding) -> str:
    return f"{finding.kind}-{finding.entry.name}"


def offline(kind: str) -> pytest.MarkDecorator:
    """Parametrise over the installed components of a kind that need no network."""
    chosen = [f for f in SOUND if f.kind == kind and f.card is not None and f.card.can(Capability.OFFLINE)]
    return pytest.mark.parametrize("finding", chosen, ids=ident)


def made(finding: Finding, folder: Path, *args: Any) -> Any:
    """The component, with sample options where it needs some."""
    values = SAMPLES.get((finding.kind, finding.entry.key), lambda _: {})(folder)
    return registry.build(finding.kind, finding.entry.name, values, *args)


def card_of(finding: Finding) -> ComponentCard:
    assert finding.card is not None
    return finding.card


def robots(folder: Path) -> list[Robot]:
    return [ToyQuadruped(), *(made(finding, folder) for finding in SOUND if finding.kind == "robot")]


@pytest.mark.parametrize("finding", FOUND, ids=ident)
def test_nothing_installed_is_broken(finding: Finding) -> None:
    assert finding.error is None


@pytest.mark.parametrize("finding", SOUND, ids=ident)
def test_card(finding: Finding) -> None:
    check_card(card_of(finding))


@pytest.mark.parametrize("package", sorted({f.entry.value.partition(":")[0] for f in SOUND}))
def test_importing_the_card_is_light(package: str) -> None:
    check_light(package)


@pytest.mark.parametrize("finding", SOUND, ids=ident)
def test_defaults_are_valid_or_say_what_is_missing(finding: Finding) -> None:
    config = card_of(finding).config
    try:
        config()
    except ValidationError as error:
        assert {each["type"] for each in error.errors()} == {"missing"}


@offline("generator")
def test_generator(finding: Finding, tmp_path: Path) -> None:
    draws = card_of(finding).can(Capability.NEEDS_SCENE)
    scenes = [toy_scene(robot) for robot in robots(tmp_path)] if draws else [toy_scene()]
    for scene in scenes:
        check_generator(made(finding, tmp_path), toy_request(scene))


@offline("encoder")
def test_encoder(finding: Finding, tmp_path: Path) -> None:
    check_encoder(made(finding, tmp_path), card_of(finding))


@offline("segmenter")
def test_segmenter(finding: Finding, tmp_path: Path) -> None:
    check_segmenter(made(finding, tmp_path))


@offline("robot")
def test_robot(finding: Finding, tmp_path: Path) -> None:
    check_robot(made(finding, tmp_path))


@offline("agent")
def test_agent(finding: Finding, tmp_path: Path) -> None:
    def make(setting: AgentSpec) -> Any:
        return made(finding, tmp_path, setting)

    check_agent(make, exact=not card_of(finding).can(Capability.INEXACT_RESUME))
    if card_of(finding).can(Capability.EXPORTS):
        check_network(make)


@offline("reward")
def test_reward(finding: Finding, tmp_path: Path) -> None:
    check_reward(lambda spec: made(finding, tmp_path, spec))
