"""A multilayer perceptron with orthogonal initial weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import nn


def orthogonal_mlp(inputs: int, hidden: Sequence[int], outputs: int, head_gain: float) -> nn.Sequential:
    """Linear layers with tanh between them, as PPO is usually initialized (Andrychowicz et al. 2021).

    Args:
        inputs: size of the input.
        hidden: widths of the hidden layers.
        outputs: size of the output.
        head_gain: scale of the weights of the last layer; 0.01 gives outputs near 0.
    """
    sizes = (inputs, *hidden, outputs)
    layers: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise(sizes)):
        linear = nn.Linear(before, after)
        is_head = number == len(hidden)
        nn.init.orthogonal_(linear.weight, head_gain if is_head else math.sqrt(2))
        nn.init.zeros_(linear.bias)
        layers += [linear] if is_head else [linear, nn.Tanh()]
    return nn.Sequential(*layers)
