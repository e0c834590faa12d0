"""AMP: loss and style reward against numpy, what it learns, exactness, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nil_core.api import ConfigError, NumericalError, RewardSpec, RunError, write_demonstrations
from nil_core.testing import (
    check_card,
    check_light,
    check_reward,
    check_tells_apart,
    ticks_of,
    toy_demonstrations,
    toy_reward_spec,
    toy_scene,
    trot,
    write_toy_demonstrations,
)
from nil_reward_amp import CARD, AmpOptions
from nil_reward_amp.motion_prior import MotionPrior

SMALL = {"hidden": [16, 8], "batch_size": 16, "update_every": 4, "learning_rate": 1e-3}
SCENE = toy_scene(size=16)


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_demonstrations(tmp_path_factory.mktemp("demonstrations"))


def reward(walk: Path, spec: RewardSpec | None = None, **options: Any) -> MotionPrior:
    return MotionPrior(AmpOptions(demonstrations=walk, **{**SMALL, **options}), spec or toy_reward_spec(SCENE))


def test_contract(walk: Path) -> None:
    check_card(CARD)
    check_light("nil_reward_amp")
    for loss in ("least_squares", "logistic"):
        check_reward(lambda spec, loss=loss: reward(walk, spec, loss=loss))


@pytest.mark.parametrize("loss", ["least_squares", "logistic"])
def test_it_tells_a_trot_from_jerks(walk: Path, loss: str) -> None:
    check_tells_apart(lambda spec: reward(walk, spec, loss=loss, update_every=10, gradient_steps=2, batch_size=64))


def numpy_forward(amp: MotionPrior, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outputs (B,) and their gradients (B, size), layer by layer."""
    layers = [layer for layer in amp.discriminator.body if isinstance(layer, torch.nn.Linear)]
    layers.append(amp.discriminator.last)
    gradient = np.broadcast_to(np.eye(x.shape[1]), (len(x), x.shape[1], x.shape[1]))
    for layer in layers:
        weight, bias = layer.weight.detach().numpy().astype(float), layer.bias.detach().numpy().astype(float)
        x, gradient = x @ weight.T + bias, np.einsum("oi,bis->bos", weight, gradient)
        if layer is not layers[-1]:
            gradient, x = gradient * (x > 0)[..., None], np.maximum(x, 0)
    return x[:, 0], gradient[:, 0]


@pytest.mark.parametrize("loss", ["least_squares", "logistic"])
def test_loss_is_that_of_the_paper(walk: Path, loss: str) -> None:
    amp = reward(walk, loss=loss, gradient_penalty=7.0, last_layer_penalty=0.3, weight_decay=0.0)
    random = np.random.default_rng(0)
    expert, agent = random.normal(size=(2, 9, amp.expert.shape[1]))
    (of_expert, gradients), (of_agent, _) = numpy_forward(amp, expert), numpy_forward(amp, agent)
    if loss == "least_squares":
        expected = 0.5 * (0.5 * np.mean((of_expert - 1) ** 2) + 0.5 * np.mean((of_agent + 1) ** 2))
    else:
        expected = 0.5 * (np.log1p(np.exp(-of_expert)).mean() + np.log1p(np.exp(of_agent)).mean())
    expected += 7.0 / 2 * np.mean(np.sum(gradients**2, axis=1))
    expected += 0.3 / 2 * np.sum(amp.discriminator.last.weight.detach().numpy() ** 2)
    found, metrics = amp.loss(torch.tensor(expert, dtype=torch.float32), torch.tensor(agent, dtype=torch.float32))
    assert float(found.detach()) == pytest.approx(expected, rel=1e-4)
    assert float(metrics["expert_score"].detach()) == pytest.approx(of_expert.mean(), rel=1e-3, abs=1e-4)
    style = amp.style_reward(torch.tensor(agent, dtype=torch.float32)).detach().numpy()
    if loss == "least_squares":
        assert np.allclose(style, np.maximum(0, 1 - 0.25 * (of_agent - 1) ** 2), atol=1e-4)
    else:
        assert np.allclose(style, -np.log(np.maximum(1 - 1 / (1 + np.exp(-of_agent)), 1e-4)), atol=1e-4)


@pytest.mark.skipif(find_spec("amp_rsl_rl") is None, reason="amp-rsl-rl is not installed")
def test_loss_penalty_and_reward_are_those_of_amp_rsl_rl(walk: Path) -> None:
    from amp_rsl_rl.networks.discriminator import Discriminator as Theirs

    amp = reward(walk, loss="logistic", gradient_penalty=7.0, last_layer_penalty=0.0)
    theirs = Theirs(amp.expert.shape[1], SMALL["hidden"], reward_scale=1.0, use_minibatch_std=False)
    weights = amp.discriminator.state_dict()
    theirs.load_state_dict({name.replace("body", "trunk").replace("last", "linear"): weights[name] for name in weights})
    expert, agent = torch.randn(2, 9, amp.expert.shape[1], generator=torch.Generator().manual_seed(0))
    pairs = [side.tensor_split(2, dim=1) for side in (expert, agent)]
    classification, penalty = theirs.compute_loss(theirs(agent), theirs(expert), *pairs, lambda_=7.0)
    loss, metrics = amp.loss(expert, agent)
    assert float(metrics["gradient_penalty"].detach()) == pytest.approx(float(penalty.detach()) / 3.5, rel=1e-5)
    assert float(loss.detach()) == pytest.approx(float((classification + penalty).detach()), rel=1e-5)
    gradients = [
        torch.autograd.grad(each, net.parameters())
        for each, net in ((loss, amp.discriminator), (classification + penalty, theirs))
    ]
    for own, other in zip(*gradients, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-6)
    with torch.no_grad():
        torch.testing.assert_close(amp.style_reward(agent), theirs.predict_reward(*pairs[1]), rtol=1e-4, atol=1e-5)


def test_reward_is_style_and_task(walk: Path) -> None:
    ticks = ticks_of(trot(SCENE, 0.4, 25), np.full((11, SCENE.model.nv), 0.7))
    amp = reward(walk, task_share=0.25, style_scale=3.0, target_speed=1.2, terminal_value=-2.0)
    amp.score(ticks)
    for tick in ticks[1:]:
        assert tick.terms["task"] == pytest.approx(np.exp(-(0.5**2)), rel=1e-5)
        assert tick.reward == pytest.approx(0.75 * 3 * tick.terms["style"] + 0.25 * tick.terms["task"])
        assert tick.terminal_value == -2.0
    assert [row.weight for row in amp.rows()] == [0.75 * 3, 0.25]
    alone = reward(walk, task_share=0.0)
    alone.score(ticks)
    assert ticks[1].terms == {"style": ticks[1].reward} and len(alone.rows()) == 1


def test_only_whole_ticks_are_learned_from(walk: Path) -> None:
    amp = reward(walk, replace(toy_reward_spec(SCENE), steps_per_tick=2))
    ticks = ticks_of(trot(SCENE, 0.4, 25), np.zeros((11, SCENE.model.nv)))
    amp.score(ticks)
    assert amp.learn(ticks) == {} and len(amp.state()["replay.rows"]) == 0
    assert np.isfinite(ticks[1].reward)


def test_other_demonstrations_are_not_gone_on_with(walk: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    write_demonstrations(other, toy_demonstrations(SCENE).trajectory(0))
    with pytest.raises(RunError, match=r"other\.npz holds other demonstrations"):
        reward(other).restore(reward(walk).state())
    with pytest.raises(RunError, match="has other sizes"):
        reward(walk, hidden=[9]).adopt(reward(walk).learned())


def test_a_loss_that_is_not_finite_ends_the_run(walk: Path) -> None:
    amp = reward(walk)
    amp.optimizer.flat_parameters.fill_(float("nan"))
    ticks = ticks_of(trot(SCENE, 0.4, 25), np.zeros((11, SCENE.model.nv)))
    amp.score(ticks)
    with pytest.raises(NumericalError, match="discriminator_loss"):
        amp.learn(ticks)


def test_without_a_robot_it_says_so(walk: Path) -> None:
    with pytest.raises(ConfigError, match="compares states of a robot"):
        reward(walk, replace(toy_reward_spec(SCENE), scene=None))
