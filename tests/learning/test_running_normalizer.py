"""Normalization by running statistics, against numpy."""

from __future__ import annotations

import numpy as np
import torch

from nil_core.learning import RunningNormalizer


def test_has_the_mean_and_variance_of_all_rows() -> None:
    rows = np.random.default_rng(0).normal([3.0, -1e4, 0.0], [0.1, 50.0, 0.0], (1000, 3)).astype(np.float32)
    normalizer = RunningNormalizer(3)
    x = torch.tensor([[3.1, -1e4, 0.0], [99.0, 1e6, 0.0]])
    assert torch.equal(normalizer(x), x.clamp(-10, 10))  # nothing known yet
    for first, last in ((0, 1), (1, 3), (3, 700), (700, 1000)):
        normalizer.update(torch.from_numpy(rows[first:last]))
    exact = rows.astype(np.float64)
    np.testing.assert_allclose(normalizer.mean, exact.mean(0), rtol=1e-12)
    np.testing.assert_allclose(normalizer.variance, exact.var(0), rtol=1e-12)
    assert normalizer.count == 1000
    expected = (x.numpy() - exact.mean(0)) / np.sqrt(exact.var(0) + 1e-8)
    np.testing.assert_allclose(normalizer(x), np.clip(expected, -10, 10), rtol=1e-3, atol=1e-4)
