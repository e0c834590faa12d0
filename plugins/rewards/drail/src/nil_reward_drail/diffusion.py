"""The diffusion process and the noise predictor of DRAIL."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

CONDITION = 10
"""Length of the condition: all ones for the expert, all zeros for the agent."""

OFFSET = 0.008
LEAST_BETA, LARGEST_BETA = 1e-4, 0.9999


def cosine_betas(steps: int) -> Tensor:
    """Noise variances (steps,) of the cosine schedule (Nichol and Dhariwal 2021), clipped; float64."""
    times = torch.arange(steps + 1, dtype=torch.float64) / steps
    kept = torch.cos((times + OFFSET) / (1 + OFFSET) * math.pi / 2).square()
    return (1 - kept[1:] / kept[:-1]).clamp(LEAST_BETA, LARGEST_BETA)


def antithetic_times(count: int, steps: int, generator: torch.Generator) -> Tensor:
    """Times int64 (count,) in pairs of t and steps - 1 - t, the first half before the second."""
    first = torch.randint(steps, ((count + 1) // 2,), generator=generator)
    return torch.cat([first, steps - 1 - first])[:count]


class NoisePredictor(nn.Module):
    """Predicts the noise in an input under the label expert or agent.

    Linear layers, each but the last followed by a learned embedding of the time, which is added, and ReLU.

    Args:
        size: of an input.
        hidden: widths.
        steps: of the diffusion process.
    """

    signal: Tensor
    noise: Tensor

    def __init__(self, size: int, hidden: Sequence[int], steps: int) -> None:
        super().__init__()
        widths = [size + CONDITION, *hidden]
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.embeddings = nn.ModuleList(nn.Embedding(steps, width) for width in hidden)
        self.last = nn.Linear(widths[-1], size)
        kept = torch.cumprod(1 - cosine_betas(steps), 0)
        self.register_buffer("signal", kept.sqrt().float(), persistent=False)
        self.register_buffer("noise", (1 - kept).sqrt().float(), persistent=False)

    def forward(self, noisy: Tensor, times: Tensor, label: float) -> Tensor:
        """The noise (B, size) in noisy inputs (B, size) at times (B,), under label 1 (expert) or 0 (agent)."""
        x = torch.cat([noisy, noisy.new_full((len(noisy), CONDITION), label)], dim=1)
        for linear, embedding in zip(self.linears, self.embeddings, strict=True):
            x = torch.relu(linear(x) + embedding(times))
        predicted: Tensor = self.last(x)
        return predicted

    def logits(self, inputs: Tensor, times: Tensor, noise: Tensor) -> Tensor:
        """L_0 - L_1 (B,): mean squared error of the noise (B, size) under the label agent minus that under expert.

        Its sigmoid is the probability that an input (B, size) is the expert's.
        """
        noisy = self.signal[times, None] * inputs + self.noise[times, None] * noise
        of_agent, of_expert = ((self(noisy, times, label) - noise).square().mean(1) for label in (0.0, 1.0))
        difference: Tensor = of_agent - of_expert
        return difference
