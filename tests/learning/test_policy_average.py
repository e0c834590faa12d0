"""Average of a policy's weights."""

from __future__ import annotations

import torch
from torch import nn

from nil_core.learning import PolicyAverage, flatten


def test_of_all_steps_it_is_the_mean_and_follows_the_newest_otherwise() -> None:
    policy = nn.Linear(3, 2)
    flat = flatten(policy.parameters())
    steps = torch.randn(50, len(flat), generator=torch.Generator().manual_seed(0))
    mean, recent = PolicyAverage(policy, share=1.0), PolicyAverage(policy, share=0.1)
    for number, weights in enumerate(steps, 1):
        flat.copy_(weights)
        for average in (mean, recent):
            average.update(torch.cat((flat, torch.ones(1))), 1, number)
    torch.testing.assert_close(flatten(mean.network.parameters()), steps.mean(0), rtol=1e-4, atol=1e-5)
    expected = steps[0].clone()
    for number, weights in enumerate(steps, 1):
        expected += min(1.0, 10 / number) * (weights - expected)
    torch.testing.assert_close(flatten(recent.network.parameters()), expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(flatten(policy.parameters()), steps[-1]), "the policy itself is not changed"
