"""The quantile Huber loss, the critics' loss of distributional agents."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

CACHE_FLOATS = 1 << 18  # size of a table of errors that, with its temporaries, fits a core's cache


def quantile_huber(predictions: Tensor, targets: Tensor) -> Tensor:
    """The quantile Huber loss with kappa = 1 (Dabney et al. 2018, arXiv 1710.10044, equation 10).

    With fractions tau_i = (i + 1/2) / Q and errors d_ij = targets_j - predictions_i, it is
    sum over i, mean over j and B, of |tau_i - 1(d_ij < 0)| huber(d_ij); summed over the members.

    Args:
        predictions: float32 (E, B, Q), quantiles in the order of their fractions.
        targets: float32 (B, T), samples; no gradient flows into them.

    Returns:
        scalar, differentiable in the predictions.
    """
    loss: Tensor = _QuantileHuber.apply(predictions, targets)  # type: ignore[no-untyped-call]
    return loss


class _QuantileHuber(torch.autograd.Function):
    """The gradient needs only two sums of clipped errors, which the forward pass computes.

    Where the table of all pairs would not fit a processor's cache, it is computed some rows at a time. Autograd would
    store ten whole tables.
    """

    @staticmethod
    def forward(ctx: Any, predictions: Tensor, targets: Tensor) -> Tensor:
        count = predictions.shape[-1]
        fractions = (torch.arange(count, device=predictions.device) + 0.5) / count
        d_predictions, loss = torch.empty_like(predictions), predictions.new_zeros(())
        shape = (len(predictions), len(targets), count, targets.shape[-1])
        rows = max(1, CACHE_FLOATS * shape[1] // math.prod(shape)) if targets.is_cpu else shape[1]
        buffers = [predictions.new_empty(shape[0], min(rows, shape[1]), *shape[2:]) for _ in range(3)]
        for start in range(0, shape[1], rows):
            chunk = slice(start, min(start + rows, shape[1]))
            errors, clipped, huber = (buffer[:, : chunk.stop - start] for buffer in buffers)
            torch.sub(targets[chunk].unsqueeze(-2), predictions[:, chunk].unsqueeze(-1), out=errors)
            sums = []
            for low, high in ((0.0, 1.0), (-1.0, 0.0)):
                torch.clamp(errors, low, high, out=clipped)
                # huber(d) = c (d - c / 2) with c = d clipped to [-1, 1]
                torch.sub(errors, clipped, alpha=0.5, out=huber)
                sums += [clipped.sum(-1), huber.mul_(clipped).sum(-1)]
            clipped_above, huber_above, clipped_below, huber_below = sums
            d_predictions[:, chunk] = -fractions * clipped_above - (1 - fractions) * clipped_below
            loss += (fractions * huber_above + (1 - fractions) * huber_below).sum()
        ctx.save_for_backward(d_predictions.div_(targets.numel()))
        return loss / targets.numel()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (d_predictions,) = ctx.saved_tensors
        return d_predictions * gradients[0], None
