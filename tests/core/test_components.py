"""Components as a config chooses them: checked before anything is built."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from nil_core.card import KINDS, Capability
from nil_core.components import build, choose
from nil_core.config import RunConfig, resolve
from nil_core.errors import ConfigError, PluginError
from nil_core.plugin_outputs import CheckedAgent
from nil_core.types import AgentSpec

SETTING = AgentSpec(observation_size=3, action_size=2, num_envs=1, horizon=5, total_steps=10, seed=0)


def test_the_default_run_finds_its_six_components() -> None:
    config = RunConfig()
    choice = choose(config)
    assert tuple(choice) == KINDS
    for kind, chosen in choice.items():
        name = getattr(config, kind).name
        assert (chosen.kind, chosen.name) == (kind, "sim_mask" if name == "auto" else name)
        plugin = f"nil-{kind}-{chosen.name}".replace("_", "-")
        assert chosen.distribution == ("nil-core" if kind == "reward" else plugin)
        assert chosen.version


def test_an_identity_tells_options_apart_and_is_json() -> None:
    def identity(**options: object) -> dict:
        return choose(RunConfig(encoder={"name": "hog", **options}))["encoder"].identity()

    assert json.loads(json.dumps(identity())) == identity() == identity(cells=8)
    assert identity(cells=4) != identity()
    assert identity(cells=4)["options"]["cells"] == 4


def test_a_name_may_be_spelt_with_hyphens_and_is_shown_as_its_author_wrote_it() -> None:
    assert choose(RunConfig(segmenter="Sim-Mask"))["segmenter"].name == "sim_mask"


@pytest.mark.parametrize(("generator", "segmenter"), [("gait", "sim_mask"), ("svd", "chroma")])
def test_the_automatic_segmenter_suits_the_generator(generator: str, segmenter: str) -> None:
    assert choose(RunConfig(generator=generator))["segmenter"].name == segmenter


def test_build_hands_on_options_and_arguments() -> None:
    agent = choose(RunConfig(agent="zero"))["agent"].build(SETTING)
    assert np.array_equal(agent.act(np.ones((4, 3), np.float32), True), np.zeros((4, 2)))
    assert choose(RunConfig(encoder={"name": "hog", "clip_length": 5}))["encoder"].build().clip_length == 5


def test_a_wrapped_component_is_built_by_name_and_checked() -> None:
    assert build("encoder", "hog", {"cells": 4}).clip_length == 8
    agent = build("agent", "zero", None, SETTING)
    assert agent.act(np.ones((1, 3), np.float32), True).shape == (1, 2)
    assert isinstance(agent, CheckedAgent), "so that what is wrong names it, and not its wrapper"
    with pytest.raises(PluginError, match="did you mean 'hog'"):
        build("encoder", "hogg")


def test_options_are_checked_before_anything_is_built() -> None:
    with pytest.raises(ConfigError, match="cels") as caught:
        choose(RunConfig(encoder={"name": "hog", "cels": 4}))
    assert "cells" in str(caught.value)
    with pytest.raises(PluginError, match="a2"):
        choose(RunConfig(robot="a2"))


def test_drawn_masks_need_a_generator_that_draws_them() -> None:
    with pytest.raises(ConfigError, match="generator file") as caught:
        choose(RunConfig(generator="file", segmenter="sim_mask"))
    assert "--segmenter chroma" in caught.value.hint
    assert choose(RunConfig(generator="file", segmenter="chroma"))["segmenter"].name == "chroma"


def test_can_asks_the_card() -> None:
    encoder = choose(RunConfig())["encoder"]
    assert encoder.can(Capability.FRAME_WISE)
    assert not replace(encoder, card=replace(encoder.card, capabilities=frozenset())).can(Capability.FRAME_WISE)


@pytest.mark.parametrize(
    ("text", "complaint", "hint"),
    [
        ("reward.iuo=1", "no option 'iuo': did you mean 'iou'?", "--set reward.iou=..."),
        ("reward.iou=abc", "reward.iou=abc: input should be a valid number", "--set reward.iou=..."),
        ("reward.iou=nan", "finite number", "--set reward.iou=..."),
        ("reward.video=inf", "finite number", "--set reward.video=..."),
        ("reward.torque=-0.1", "greater than or equal to 0", "--set reward.torque=..."),
        ("reward.terminal_value=nan", "finite number", "--set reward.terminal_value=..."),
        ("reward.similarity=dot", "'cosine' or 'l2'", "--set reward.similarity=..."),
        ("reward.terms.grace=-1", "greater than or equal to 0", "--set reward.terms.grace=..."),
        ("reward.name=environment", "", ""),
    ],
)
def test_options_of_the_reward_are_checked_before_anything_starts(text: str, complaint: str, hint: str) -> None:
    config = resolve(sets=[text]).config
    if not complaint:
        assert choose(config)["reward"].name == "environment"
        return
    with pytest.raises(ConfigError) as caught:
        choose(config)
    assert complaint in caught.value.message and "\n" not in caught.value.message
    assert caught.value.hint.startswith(hint)
