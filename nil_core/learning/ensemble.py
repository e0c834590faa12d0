"""Layers of E networks of one shape, computed in one batched pass instead of E small ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nil_core.learning.matmul import affine


class EnsembleLinear(nn.Module):
    """E linear layers at once.

    Initialized as ``torch.nn.Linear``: uniform in ±1 / sqrt(inputs).

    Args:
        members: E.
        inputs: I, size of the input.
        outputs: O, size of the output.

    Attributes:
        weight: float32 (E, I, O), the transpose of ``torch.nn.Linear``'s, so that the forward pass transposes nothing.
        bias: float32 (E, 1, O).
    """

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """(B, I), shared by all members, or (E, B, I) to (E, B, O)."""
        if self.weight.shape[-1] == 1:  # a matrix product with one column is several times slower than this
            return (x * self.weight.mT).sum(-1, keepdim=True) + self.bias
        return affine(x.expand(len(self.weight), -1, -1), self.weight, self.bias)


class EnsembleLayerNorm(nn.Module):
    """E layer normalizations at once (Ba et al. 2016), each with its own scale and shift of size ``size``."""

    one: Tensor
    zero: Tensor

    def __init__(self, members: int, size: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(members, 1, size))
        self.bias = nn.Parameter(torch.zeros(members, 1, size))
        # On a CPU torch's layer_norm is faster with a scale and a shift than without.
        self.register_buffer("one", torch.ones(size), persistent=False)
        self.register_buffer("zero", torch.zeros(size), persistent=False)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(E, B, size) to the same."""
        normalized = nn.functional.layer_norm(x, x.shape[-1:], self.one, self.zero, self.eps)
        return torch.addcmul(self.bias, normalized, self.weight)
