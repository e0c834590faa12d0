"""Regression of actions: a Gaussian fitted to pairs of inputs and actions, for cloning and for inverse dynamics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn.functional import mse_loss

from nil_core.learning.gaussian import bounded_log_std
from nil_core.learning.mlp import orthogonal_mlp
from nil_core.learning.normalizer import RunningNormalizer

RegressionLoss = Literal["likelihood", "mse"]

LOG_STD_BOUNDS = (-5.0, 2.0)  # of LocoMuJoCo's behavioral cloning but for the lower one, where the likelihood explodes


class ActionModel(nn.Module):
    """Inputs (B, I) to the mean action (B, A), clipped to [-1, 1].

    Args:
        inputs: I.
        hidden: widths of the hidden layers.
        actions: A.
        loss: ``likelihood``: negative log-likelihood of a Gaussian whose mean and standard deviation depend on the
            input; ``mse``: squared error of its mean.

    Attributes:
        normalizer: of the inputs.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], actions: int, loss: RegressionLoss) -> None:
        super().__init__()
        self.normalizer = RunningNormalizer(inputs)
        self.network = orthogonal_mlp(inputs, hidden, 2 * actions, head_gain=0.01)
        self._loss = loss

    def forward(self, inputs: Tensor) -> Tensor:
        return self._mean_and_std(inputs)[0].clamp(-1.0, 1.0)

    def sample(self, inputs: Tensor, noise: Tensor) -> Tensor:
        """Actions (B, A) in [-1, 1]: the mean where it was fitted by ``mse``.

        Args:
            inputs: (B, I).
            noise: (B, A) from N(0, 1).
        """
        mean, std = self._mean_and_std(inputs)
        return (mean if self._loss == "mse" else mean + std * noise).clamp(-1.0, 1.0)

    def loss(self, inputs: Tensor, actions: Tensor) -> Tensor:
        """Scalar, per action entry."""
        mean, std = self._mean_and_std(inputs)
        if self._loss == "mse":
            return mse_loss(mean, actions)
        normal = Normal(mean, std, validate_args=False)
        log_prob: Tensor = normal.log_prob(actions)  # type: ignore[no-untyped-call]
        return -log_prob.mean()

    def _mean_and_std(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw_log_std = self.network(self.normalizer(inputs)).chunk(2, dim=-1)
        return mean, bounded_log_std(raw_log_std, *LOG_STD_BOUNDS).exp()
