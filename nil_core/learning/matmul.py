"""Batched matrix products of float32 on a CPU, by the faster of the two libraries that torch ships.

torch gives float32 products to MKL, which on AMD processors uses half the width of the registers; oneDNN uses all of
it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Multiplications of one product from which oneDNN is used; below, its calls cost more than its kernel saves.
MIN_MULTIPLICATIONS = 1 << 22


def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``x @ weight + bias`` for each of E members.

    Args:
        x: (E, B, I).
        weight: (E, I, O).
        bias: (E, 1, O).

    Returns:
        (E, B, O), differentiable in all three.
    """
    large = weight[0].numel() * x.shape[1] >= MIN_MULTIPLICATIONS
    if large and weight.is_cpu and weight.dtype is torch.float32 and torch._C._has_mkldnn:
        result: Tensor = _OneDnnAffine.apply(x, weight, bias)  # type: ignore[no-untyped-call]
        return result
    return torch.baddbmm(bias, x, weight)


class _OneDnnAffine(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _batched_matmul(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        (gradient,), needs_gradient = gradients, ctx.needs_input_grad
        return (
            _batched_matmul(gradient, weight.mT) if needs_gradient[0] else None,
            _batched_matmul(x.mT, gradient) if needs_gradient[1] else None,
            gradient.sum(1, keepdim=True) if needs_gradient[2] else None,
        )


def _batched_matmul(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """(E, N, K) by (E, K, M), plus (E, 1, M), to (E, N, M), by oneDNN."""
    linear = torch.ops.mkldnn._linear_pointwise
    return torch.stack(
        [
            linear(a, b.T, None if bias is None else bias[member, 0], "none", [], "")
            for member, (a, b) in enumerate(zip(left, right, strict=True))
        ]
    )
