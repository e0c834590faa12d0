"""DRAIL: schedule, noise predictor, loss and reward against numpy, what it learns, and exactness."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nil_core.api import ConfigError, DataError, RewardSpec
from nil_core.testing import (
    check_card,
    check_light,
    check_reward,
    check_tells_apart,
    toy_reward_spec,
    toy_scene,
    write_toy_demonstrations,
)
from nil_reward_drail import CARD, DrailOptions
from nil_reward_drail.diffusion import NoisePredictor, antithetic_times, cosine_betas
from nil_reward_drail.diffusion_classifier import DiffusionClassifier

SMALL = {"hidden": [16, 16], "batch_size": 16, "update_every": 4, "diffusion_steps": 50}
SCENE = toy_scene(size=16)


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_demonstrations(tmp_path_factory.mktemp("demonstrations"))


@pytest.fixture(scope="module")
def acted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_demonstrations(tmp_path_factory.mktemp("demonstrations"), actions=True)


def reward(walk: Path, spec: RewardSpec | None = None, **options: Any) -> DiffusionClassifier:
    return DiffusionClassifier(
        DrailOptions(demonstrations=walk, **{**SMALL, **options}), spec or toy_reward_spec(SCENE)
    )


def test_contract(walk: Path) -> None:
    check_card(CARD)
    check_light("nil_reward_drail")
    check_reward(lambda spec: reward(walk, spec))


@pytest.mark.parametrize("inputs", ["states", "actions"])
def test_it_tells_a_trot_from_jerks(walk: Path, acted: Path, inputs: str) -> None:
    path = walk if inputs == "states" else acted
    options = {"inputs": inputs, "update_every": 40, "batch_size": 64, "hidden": [64, 64], "draws": 4}
    check_tells_apart(lambda spec: reward(path, spec, **options))


def test_schedule_is_the_cosine_one() -> None:
    betas = cosine_betas(1000).numpy()
    t = np.arange(1001) / 1000
    kept = np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
    assert np.allclose(betas, np.clip(1 - kept[1:] / kept[:-1], 1e-4, 0.9999))
    assert betas[0] == 1e-4 and betas[-1] == 0.9999 and (np.diff(betas) >= 0).all()
    predictor = NoisePredictor(3, (8,), 1000)
    assert np.allclose(predictor.signal**2, np.cumprod(1 - betas), atol=1e-6)
    assert np.allclose(predictor.signal**2 + predictor.noise**2, 1, atol=1e-6)


def test_times_are_antithetic() -> None:
    generator = torch.Generator().manual_seed(0)
    for count in (1, 6, 7):
        times = antithetic_times(count, 50, generator)
        half = (count + 1) // 2
        assert len(times) == count and times.min() >= 0 and times.max() < 50
        assert torch.equal(times[half:], (49 - times[:half])[: count - half])


def numpy_logits(drail: DiffusionClassifier, x: np.ndarray, times: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """L_0 - L_1, layer by layer."""
    predictor = drail.discriminator
    kept = np.cumprod(1 - cosine_betas(drail.options.diffusion_steps).numpy())[times, None]
    noisy = np.sqrt(kept) * x + np.sqrt(1 - kept) * noise
    errors = []
    for label in (0.0, 1.0):
        h = np.concatenate([noisy, np.full((len(x), 10), label)], axis=1)
        for linear, embedding in zip(predictor.linears, predictor.embeddings, strict=True):
            weight, bias = linear.weight.detach().numpy(), linear.bias.detach().numpy()
            h = np.maximum(h @ weight.T + bias + embedding.weight.detach().numpy()[times], 0)
        predicted = h @ predictor.last.weight.detach().numpy().T + predictor.last.bias.detach().numpy()
        errors.append(np.mean((predicted - noise) ** 2, axis=1))
    return errors[0] - errors[1]


def test_the_classifier_is_the_difference_of_two_errors_of_the_noise(walk: Path) -> None:
    drail = reward(walk)
    random = np.random.default_rng(0)
    x = random.normal(size=(7, drail.expert.shape[1]))
    times, noise = random.integers(50, size=7), random.normal(size=x.shape)
    tensors = [torch.tensor(each, dtype=torch.float32) for each in (x, noise)]
    with torch.no_grad():
        found = drail.discriminator.logits(tensors[0], torch.tensor(times), tensors[1]).numpy()
    assert np.allclose(found, numpy_logits(drail, x, times, noise), atol=1e-4)


def test_loss_is_cross_entropy_with_the_expert_as_one_and_a_penalty_between_both_sides(walk: Path) -> None:
    drail = reward(walk, gradient_penalty=3.0)
    random = np.random.default_rng(0)
    sides = random.normal(size=(2, 6, drail.expert.shape[1])).astype(np.float32)
    state = drail.generator.get_state()
    loss, metrics = drail.loss(*torch.from_numpy(sides))
    plain, _ = reward(walk, gradient_penalty=0.0).loss(*torch.from_numpy(sides))
    drail.generator.set_state(state)
    times = torch.cat([antithetic_times(6, 50, drail.generator) for _ in range(2)]).numpy()
    noise = torch.randn(12, sides.shape[2], generator=drail.generator).numpy()
    chance = 1 / (1 + np.exp(-numpy_logits(drail, np.concatenate(sides), times, noise)))
    expected = -0.5 * (np.log(chance[:6]).mean() + np.log(1 - chance[6:]).mean())
    assert float(plain.detach()) == pytest.approx(expected, rel=1e-4), "the published loss"
    assert float(metrics["expert_score"].detach()) == pytest.approx(chance[:6].mean(), rel=1e-4)

    share = torch.rand(6, 1, generator=drail.generator).numpy()
    times = antithetic_times(6, 50, drail.generator).numpy()
    noise = torch.randn(sides.shape[1:], generator=drail.generator).numpy()
    between = (1 - share) * sides[1] + share * sides[0]
    slopes = [
        (numpy_logits(drail, between + h, times, noise) - numpy_logits(drail, between - h, times, noise)) / 2e-5
        for h in 1e-5 * np.eye(sides.shape[2])
    ]
    penalty = np.square(slopes).sum(axis=0).mean()
    assert float(metrics["gradient_penalty"].detach()) == pytest.approx(penalty, rel=1e-3)
    assert float(loss.detach()) == pytest.approx(expected + 3 / 2 * penalty, rel=1e-3)


@pytest.mark.parametrize("shared", [True, False])
def test_reward_of_an_input_does_not_depend_on_what_is_scored_with_it(walk: Path, shared: bool) -> None:
    drail = reward(walk, draws=3, shared_draws=shared)
    rows = torch.randn(5, drail.expert.shape[1], generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        together = drail.style_reward(rows)
        alone = torch.cat([drail.style_reward(row[None]) for row in rows])
        other = reward(walk, toy_reward_spec(SCENE, seed=1), draws=3, shared_draws=shared)
        raised = reward(walk, draws=3, shared_draws=shared, offset=5.0).style_reward(rows)
        odds = reward(walk, draws=1, shared_draws=shared, offset=0.0).style_reward(rows).numpy()
        positive = reward(walk, draws=1, shared_draws=shared, form="expert").style_reward(rows).numpy()
    assert torch.allclose(together, alone, atol=1e-6) and len(set(together.tolist())) == 5
    assert torch.allclose(raised, together + 2, atol=1e-6), "the offset is 3 unless given"
    assert np.allclose(positive, -np.log(1 - 1 / (1 + np.exp(-odds))), atol=1e-5), "of D, whose log odds are the others"
    other.adopt(drail.learned())
    with torch.no_grad():
        assert not torch.allclose(other.style_reward(rows), together, atol=1e-6), "another seed draws other noise"


def test_shared_draws_are_evenly_spread_times_and_noise_with_its_opposite(walk: Path) -> None:
    drail = reward(walk, draws=4, offset=0.0)
    rows = torch.randn(3, drail.expert.shape[1], generator=torch.Generator().manual_seed(0))
    noise = torch.randn(2, rows.shape[1], generator=torch.Generator().manual_seed(0)).numpy()
    by_draw = [
        numpy_logits(drail, rows.numpy(), np.full(3, time), np.tile(sign * by, (3, 1)))
        for sign in (1, -1)
        for time, by in zip((12, 37), noise, strict=True)
    ]
    with torch.no_grad():
        assert np.allclose(drail.style_reward(rows).numpy(), np.mean(by_draw, axis=0), atol=1e-4)


def test_actions_are_compared_where_both_sides_have_one_a_tick(walk: Path, acted: Path) -> None:
    assert reward(acted, inputs="actions").expert.shape == (25 + 12, reward(acted).features.size + 12)
    with pytest.raises(DataError, match=r"walk\.npz has no actions"):
        reward(walk, inputs="actions")
    two = replace(toy_reward_spec(SCENE), steps_per_tick=2)
    with pytest.raises(ConfigError, match="needs one action per tick"):
        reward(acted, two, inputs="actions")
