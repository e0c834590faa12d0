"""The quantile Huber loss, the critics' loss of distributional learners."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

CACHED = 1 << 18  # floats of a table that stays in a core's cache with its few companions


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
    """Its gradient needs two sums of clipped errors: formed in the forward pass, and where the table of all pairs would
    not fit a processor's cache, some rows at a time. Autograd would write down ten whole tables."""

    @staticmethod
    def forward(ctx: Any, predictions: Tensor, targets: Tensor) -> Tensor:
        count = predictions.shape[-1]
        fractions = (torch.arange(count, device=predictions.device) + 0.5) / count
        slope, loss = torch.empty_like(predictions), predictions.new_zeros(())
        table = (len(predictions), len(targets), count, targets.shape[-1])
        rows = max(1, CACHED * table[1] // math.prod(table)) if targets.is_cpu else table[1]
        scratch = [predictions.new_empty(table[0], min(rows, table[1]), *table[2:]) for _ in range(3)]
        for start in range(0, table[1], rows):
            part = slice(start, min(start + rows, table[1]))
            errors, clipped, rest = (each[:, : part.stop - start] for each in scratch)
            torch.sub(targets[part].unsqueeze(-2), predictions[:, part].unsqueeze(-1), out=errors)
            sums = []
            for low, high in ((0.0, 1.0), (-1.0, 0.0)):
                torch.clamp(errors, low, high, out=clipped)
                # huber(d) = c (d - c / 2) with c = d clipped to [-1, 1]
                torch.sub(errors, clipped, alpha=0.5, out=rest)
                sums += [clipped.sum(-1), rest.mul_(clipped).sum(-1)]
            above, over, below, under = sums
            slope[:, part] = -fractions * above - (1 - fractions) * below
            loss += (fractions * over + (1 - fractions) * under).sum()
        ctx.save_for_backward(slope.div_(targets.numel()))
        return loss / targets.numel()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return slope * gradients[0], None
