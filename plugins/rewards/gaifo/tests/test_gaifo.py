"""GAIfO: loss and rewards against numpy, what it learns, and exactness."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nil_core.api import RewardSpec
from nil_core.testing import (
    check_card,
    check_light,
    check_reward,
    check_tells_apart,
    toy_reward_spec,
    toy_scene,
    write_toy_demonstrations,
)
from nil_reward_gaifo import CARD, GaifoOptions
from nil_reward_gaifo.classifier import Classifier

SMALL = {"hidden": [16, 8], "batch_size": 16, "update_every": 4, "learning_rate": 1e-3}
SCENE = toy_scene(size=16)


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_demonstrations(tmp_path_factory.mktemp("demonstrations"))


def reward(walk: Path, spec: RewardSpec | None = None, **options: Any) -> Classifier:
    return Classifier(GaifoOptions(demonstrations=walk, **{**SMALL, **options}), spec or toy_reward_spec(SCENE))


def test_contract(walk: Path) -> None:
    check_card(CARD)
    check_light("nil_reward_gaifo")
    check_reward(lambda spec: reward(walk, spec))


@pytest.mark.parametrize("form", ["expert", "log_odds"])
def test_it_tells_a_trot_from_jerks(walk: Path, form: str) -> None:
    check_tells_apart(lambda spec: reward(walk, spec, form=form, update_every=10, batch_size=64))


def test_loss_and_rewards_are_those_of_the_probability_of_the_expert(walk: Path) -> None:
    gaifo = reward(walk, gradient_penalty=0.0)
    random = np.random.default_rng(0)
    expert, agent = random.normal(size=(2, 9, gaifo.expert.shape[1])).astype(np.float32)
    with torch.no_grad():
        logits = [gaifo.discriminator(torch.from_numpy(side)).numpy().astype(float) for side in (expert, agent)]
    chances = [1 / (1 + np.exp(-each)) for each in logits]
    expected = 0.5 * (-np.log(chances[0]).mean() - np.log(1 - chances[1]).mean())
    loss, metrics = gaifo.loss(torch.from_numpy(expert), torch.from_numpy(agent))
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-4) and "gradient_penalty" not in metrics
    assert float(metrics["agent_score"].detach()) == pytest.approx(chances[1].mean(), rel=1e-4)
    with torch.no_grad():
        assert np.allclose(gaifo.style_reward(torch.from_numpy(agent)), -np.log(1 - chances[1]), atol=1e-5)
        odds = reward(walk, form="log_odds").style_reward(torch.from_numpy(agent)).numpy()
    assert np.allclose(odds, np.log(chances[1]) - np.log(1 - chances[1]), atol=1e-5)
    penalized, metrics = reward(walk, gradient_penalty=3.0).loss(torch.from_numpy(expert), torch.from_numpy(agent))
    penalty = float(metrics["gradient_penalty"].detach())
    assert penalty > 0 and float(penalized.detach()) == pytest.approx(expected + 1.5 * penalty, rel=1e-4)
