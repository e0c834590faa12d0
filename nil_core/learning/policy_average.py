"""Average of a policy's weights over the last part of its training."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from nil_core.learning.flat_adam import flatten


class PolicyAverage(nn.Module):
    """Running average of the weights of a policy (polynomial-decay averaging, Shamir and Zhang 2013, section 4).

    Weights that are learned with a constant learning rate go on to fluctuate, and with them the policy. Their average
    over many gradient steps does not, and training is not changed by it.

    Args:
        network: the policy that is learned; its weights are copied.
        share: of all gradient steps so far that the average extends over, roughly.

    Attributes:
        network: with the averaged weights.
    """

    def __init__(self, network: nn.Module, share: float) -> None:
        super().__init__()
        self.network, self.share = deepcopy(network).requires_grad_(False), share
        self._averaged = flatten(self.network.parameters())

    def update(self, newest: Tensor, new_steps: int, all_steps: int) -> None:
        """Take the newest weights into the average.

        Args:
            newest: float32 (P or more,), flat: the network's parameters in their order, and others after them.
            new_steps: gradient steps since the last update.
            all_steps: gradient steps so far.
        """
        with torch.no_grad():
            self._averaged.lerp_(newest[: len(self._averaged)], min(1.0, new_steps / (self.share * all_steps)))
