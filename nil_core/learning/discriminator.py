"""Networks and losses of discriminators that tell expert from agent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus


class Discriminator(nn.Module):
    """A network of fully connected layers with ReLU and one output.

    Args:
        size: of an input.
        hidden: widths of the hidden layers.
        last_range: the last layer's weights are uniform in ± this, its bias 0; None: as ``torch.nn.Linear``.
    """

    def __init__(self, size: int, hidden: Sequence[int], last_range: float | None = None) -> None:
        super().__init__()
        widths = [size, *hidden]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.last = nn.Linear(widths[-1], 1)
        if last_range is not None:
            nn.init.uniform_(self.last.weight, -last_range, last_range)
            nn.init.zeros_(self.last.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, size) to (B,): larger for the expert."""
        output: Tensor = self.last(self.body(inputs)).squeeze(-1)
        return output


def least_squares_loss(expert: Tensor, agent: Tensor) -> Tensor:
    """1/2 (1/2 E (D - 1)^2 of the expert + 1/2 E (D + 1)^2 of the agent), of outputs (B,) each; a scalar."""
    return ((expert - 1).square().mean() + (agent + 1).square().mean()) / 4


def logistic_loss(expert: Tensor, agent: Tensor) -> Tensor:
    """Mean binary cross entropy of logits (B,) each, label 1 for the expert and 0 for the agent; a scalar."""
    return (softplus(-expert).mean() + softplus(agent).mean()) / 2


def gradient_penalty(network: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """E |grad D|^2 over inputs (B, size), with respect to these; a scalar that can be differentiated again."""
    inputs = inputs.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(network(inputs).sum(), inputs, create_graph=True)
    return gradient.square().sum(-1).mean()


def squared_weights(module: nn.Module) -> Tensor:
    """Sum of the squared entries of all weight matrices, without biases; a scalar."""
    matrices = [parameter for parameter in module.parameters() if parameter.ndim > 1]
    return torch.stack([matrix.square().sum() for matrix in matrices]).sum()
