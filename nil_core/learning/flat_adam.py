"""Adam and AdamW without the bookkeeping of ``torch.optim``, over parameters that lie in one flat tensor."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def flatten(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Move parameters into one flat tensor.

    They become views of it, so whatever changes it changes them, and loading a state into them fills it. Do this
    after moving a module to its device, which would part them again.

    Returns:
        float32 (P,), no gradient, P all their entries.
    """
    parameters = list(parameters)
    flat = torch.cat([parameter.detach().flatten() for parameter in parameters])
    for parameter, part in zip(parameters, _parts(flat, parameters), strict=True):
        parameter.data = part
    return flat


def _parts(flat: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    """Views of a flat tensor, shaped as the parameters."""
    parts = torch.split(flat, [parameter.numel() for parameter in parameters])
    return [part.view_as(parameter) for part, parameter in zip(parts, parameters, strict=True)]


class FlatAdam(nn.Module):
    """Adam (Kingma and Ba 2015), with ``decay`` AdamW, over parameters it flattens. Its state are its buffers.

    A step is one call of the kernel that reads and writes everything once.

    Args:
        parameters: what it steps.
        learning_rate: size of a step.
        decay: part of every parameter, times the learning rate, that is taken away before a step, decoupled from the
            gradient (Loshchilov and Hutter 2019).
        mean_decay: of the first moment (beta 1).

    Attributes:
        square_decay: of the second moment (beta 2).
        epsilon: added to the root of the second moment.
        weights: float32 (P,), the parameters as :func:`flatten` gives them.
        mean: float32 (P,), first moment.
        square: float32 (P,), second moment.
        steps: float32 scalar, how many were made.
    """

    square_decay, epsilon = 0.999, 1e-8
    mean: Tensor
    square: Tensor
    steps: Tensor

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        learning_rate: float,
        decay: float = 0.0,
        mean_decay: float = 0.9,
    ) -> None:
        super().__init__()
        self.learning_rate, self.decay, self.mean_decay = learning_rate, decay, mean_decay
        self._parameters_of = list(parameters)
        self.weights = flatten(self._parameters_of)
        self.register_buffer("mean", torch.zeros_like(self.weights))
        self.register_buffer("square", torch.zeros_like(self.weights))
        self.register_buffer("steps", torch.tensor(0.0, device=self.weights.device))
        self._views = [_parts(flat, self._parameters_of) for flat in (self.weights, self.mean, self.square)]

    def descend(self, loss: Tensor) -> None:
        """One step down the gradient of a scalar loss. Of other parameters in its graph no gradient is computed."""
        gradients = torch.autograd.grad(loss, self._parameters_of)
        weights, means, squares = self._views
        self.steps += 1
        torch._fused_adamw_(
            weights,
            [gradient.contiguous() for gradient in gradients],  # the kernel takes their order in memory for granted
            means,
            squares,
            [],
            [self.steps] * len(weights),
            lr=self.learning_rate,
            weight_decay=self.decay,
            beta1=self.mean_decay,
            beta2=self.square_decay,
            eps=self.epsilon,
            amsgrad=False,
            maximize=False,
        )
