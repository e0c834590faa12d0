"""The quantile Huber loss against its definition, pair by pair."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_core.learning import quantile_huber, quantiles


def by_definition(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """By autograd, in double precision."""
    count = predictions.shape[-1]
    fractions = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    errors = targets[None, :, None, :] - predictions[..., None]
    huber = torch.where(errors.abs() <= 1, 0.5 * errors**2, errors.abs() - 0.5)
    weights = (fractions[:, None] - (errors < 0).double()).abs()
    return (weights * huber).sum(-2).mean((-2, -1)).sum()


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 7), st.integers(1, 7)),
    spread=st.floats(0.1, 30),
    seed=st.integers(0, 99),
)
def test_value_and_gradient(sizes: tuple[int, int, int, int], spread: float, seed: int) -> None:
    members, batch, count, samples = sizes
    generator = torch.Generator().manual_seed(seed)
    predictions = torch.randn(members, batch, count, generator=generator, requires_grad=True)
    targets = torch.randn(batch, samples, generator=generator) * spread
    doubles = predictions.detach().double().requires_grad_()
    expected, loss = by_definition(doubles, targets.double()), quantile_huber(predictions, targets)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-6)
    # The gradient scales with the loss.
    (gradient,) = torch.autograd.grad(3 * loss, predictions)
    (expected_gradient,) = torch.autograd.grad(3 * expected, doubles)
    torch.testing.assert_close(gradient.double(), expected_gradient, rtol=1e-4, atol=1e-6)


def test_computing_some_rows_at_a_time_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    predictions, targets = torch.randn(2, 10, 5), torch.randn(10, 5)
    whole = quantile_huber(predictions, targets)
    monkeypatch.setattr(quantiles, "CACHE_FLOATS", 3 * 2 * 5 * 5)
    torch.testing.assert_close(quantile_huber(predictions, targets), whole)


def test_the_minimum_is_at_the_quantiles() -> None:
    predictions = torch.full((1, 1, 4), 50.0, requires_grad=True)
    targets = torch.linspace(0, 100, 1001)[None]
    optimizer = torch.optim.Adam([predictions], 0.5)
    for step in range(600):
        optimizer.param_groups[0]["lr"] = 0.5 * (1 - step / 600)
        optimizer.zero_grad()
        quantile_huber(predictions, targets).backward()
        optimizer.step()
    torch.testing.assert_close(predictions.detach()[0, 0], torch.tensor([12.5, 37.5, 62.5, 87.5]), rtol=0, atol=0.5)


def test_nan_is_not_hidden() -> None:
    assert quantile_huber(torch.zeros(2, 3, 4), torch.full((3, 4), torch.nan)).isnan()
