"""The squashed Gaussian against torch.distributions, and where that is not finite."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Independent, Normal, TanhTransform, TransformedDistribution

from nil_core.learning import SquashedGaussian, bounded_log_std, inverse_log_std


@given(
    mean=st.floats(-3, 3, width=32),
    log_std=st.floats(-4, 0.5, width=32),
    noise=st.floats(-3, 3, width=32),
)
def test_log_prob_is_the_closed_form(mean: float, log_std: float, noise: float) -> None:
    means, log_stds, noises = (torch.tensor([value, 0.1], dtype=torch.float64) for value in (mean, log_std, noise))
    actions, log_prob = SquashedGaussian(means, log_stds).sample_with_log_prob(noises)
    u = means + log_stds.exp() * noises
    reference = TransformedDistribution(Independent(Normal(means, log_stds.exp()), 1), TanhTransform(cache_size=1))
    transform = reference.transforms[0]
    torch.testing.assert_close(actions, transform(u))
    torch.testing.assert_close(log_prob, reference.log_prob(transform(u)))


def test_log_prob_stays_finite_where_tanh_rounds_to_one() -> None:
    mean = torch.full((1, 1), 40.0, requires_grad=True)
    actions, log_prob = SquashedGaussian(mean, torch.zeros(1, 1)).sample_with_log_prob(torch.zeros(1, 1))
    (gradient,) = torch.autograd.grad(log_prob.sum(), mean)
    assert actions.item() == 1
    # log(1 - tanh²(u)) → 2 (log 2 - u)
    assert math.isclose(log_prob.item(), -math.log(2 * math.pi) / 2 - 2 * (math.log(2) - 40), rel_tol=1e-6)
    assert math.isclose(gradient.item(), 2, rel_tol=1e-6)


def test_density_integrates_to_one() -> None:
    noise = torch.linspace(-8, 8, 20_001, dtype=torch.float64)[:, None]
    policy = SquashedGaussian(torch.full_like(noise, 0.3), torch.full_like(noise, -0.7))
    actions, log_prob = policy.sample_with_log_prob(noise)
    assert math.isclose(np.trapezoid(log_prob.exp().numpy(), actions[:, 0].numpy()), 1, rel_tol=1e-5)


def test_samples_agree_and_mode_is_the_squashed_mean() -> None:
    mean, log_std, noise = torch.randn(3, 4, 2).unbind()
    policy = SquashedGaussian(mean, log_std)
    torch.testing.assert_close(policy.sample(noise), policy.sample_with_log_prob(noise)[0])
    torch.testing.assert_close(policy.sample(torch.zeros_like(noise)), policy.mode)
    torch.testing.assert_close(policy.mode, mean.tanh())


def test_log_std_stays_within_its_bounds() -> None:
    x = torch.tensor([-100.0, 0.0, 100.0])
    torch.testing.assert_close(bounded_log_std(x, -10, 2), torch.tensor([-10.0, -4.0, 2.0]))
    for std in (1e-4, 0.2, 1.0, 6.0):
        found = bounded_log_std(torch.tensor(inverse_log_std(std, -10, 2)), -10, 2).exp().item()
        assert math.isclose(found, std, rel_tol=1e-4)
