"""Adam and AdamW over parameters in one flat tensor, with less overhead than ``torch.optim``."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def flatten(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Move parameters into one flat tensor.

    They become views of it: changing one changes the other, and loading a state dict into them fills the tensor. Call
    this after moving a module to its device, because that move would allocate the parameters separately again.

    Returns:
        float32 (P,), without gradient; P is the number of all their entries.
    """
    parameters = list(parameters)
    flat = torch.cat([parameter.detach().flatten() for parameter in parameters])
    for parameter, view in zip(parameters, _views(flat, parameters), strict=True):
        parameter.data = view
    return flat


def _views(flat: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    """Views of a flat tensor, shaped as the parameters."""
    views = torch.split(flat, [parameter.numel() for parameter in parameters])
    return [view.view_as(parameter) for view, parameter in zip(views, parameters, strict=True)]


class FlatAdam(nn.Module):
    """Adam (Kingma and Ba 2015), or AdamW with ``weight_decay``, over parameters that it flattens.

    A step is one call of a fused kernel. The optimizer's state are the buffers of this module.

    Args:
        parameters: to optimize.
        learning_rate: step size.
        weight_decay: this times the learning rate is the part of every parameter subtracted before a step, decoupled
            from the gradient (Loshchilov and Hutter 2019).
        beta1: decay of the first moment.

    Attributes:
        beta2: decay of the second moment.
        eps: added to the root of the second moment.
        flat_parameters: float32 (P,), the parameters as :func:`flatten` returns them.
        exp_avg: float32 (P,), first moment.
        exp_avg_sq: float32 (P,), second moment.
        steps: float32 scalar, number of steps made.
    """

    beta2, eps = 0.999, 1e-8
    exp_avg: Tensor
    exp_avg_sq: Tensor
    steps: Tensor

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        learning_rate: float,
        weight_decay: float = 0.0,
        beta1: float = 0.9,
    ) -> None:
        super().__init__()
        self.learning_rate, self.weight_decay, self.beta1 = learning_rate, weight_decay, beta1
        self.optimized = list(parameters)
        self.flat_parameters = flatten(self.optimized)
        self.register_buffer("exp_avg", torch.zeros_like(self.flat_parameters))
        self.register_buffer("exp_avg_sq", torch.zeros_like(self.flat_parameters))
        self.register_buffer("steps", torch.tensor(0.0, device=self.flat_parameters.device))
        flats = self.flat_parameters, self.exp_avg, self.exp_avg_sq
        self._kernel_arguments = [_views(flat, self.optimized) for flat in flats]

    def minimize(self, loss: Tensor, max_norm: float | None = None) -> None:
        """One step along the gradient of a scalar loss. Other parameters in its graph get no gradient.

        Args:
            loss: scalar.
            max_norm: a gradient of a larger Euclidean norm is scaled down to it.
        """
        gradients = torch.autograd.grad(loss, self.optimized)
        if max_norm is not None:
            norm = torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]).norm()
            scale = (max_norm / (norm + 1e-6)).clamp(max=1.0)
            gradients = tuple(gradient * scale for gradient in gradients)
        parameters, exp_avgs, exp_avg_sqs = self._kernel_arguments
        self.steps += 1
        torch._fused_adamw_(
            parameters,
            [gradient.contiguous() for gradient in gradients],  # the kernel assumes contiguous gradients
            exp_avgs,
            exp_avg_sqs,
            [],
            [self.steps] * len(parameters),
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
            beta1=self.beta1,
            beta2=self.beta2,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
        )
