"""The discriminator of AMP and the style reward it gives."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nil_core.learning import Discriminator, gradient_penalty, least_squares_loss, logistic_loss
from nil_core.learning.adversarial import AdversarialReward
from nil_reward_amp import AmpOptions

LAST_RANGE = 1.0
"""Weights of the last layer begin uniform in ± this."""

LEAST = 1e-4
"""Least probability of the agent in the logistic reward, which is at most -log of it: 9.2."""


class MotionPrior(AdversarialReward):
    """The reward ``amp``, see :class:`~nil_core.learning.adversarial.AdversarialReward`.

    Args:
        options: see :class:`AmpOptions`.
        spec: with a scene.
    """

    name = "amp"
    options: AmpOptions
    discriminator: Discriminator

    def unit(self) -> str:
        """See the base class."""
        return "max(0, 1 - (D - 1)^2 / 4)" if self.options.loss == "least_squares" else "-log(1 - sigmoid(D))"

    def network(self, size: int) -> nn.Module:
        """See the base class."""
        return Discriminator(size, self.options.hidden, LAST_RANGE)

    def loss(self, expert: Tensor, agent: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Least squares or cross entropy, gradient penalty at the expert, penalty of the last layer."""
        options, network = self.options, self.discriminator
        of_expert, of_agent = torch.split(network(torch.cat([expert, agent])), len(expert))
        classify = least_squares_loss if options.loss == "least_squares" else logistic_loss
        loss = classify(of_expert, of_agent)
        metrics = {"expert_score": of_expert.mean(), "agent_score": of_agent.mean()}
        if options.gradient_penalty:
            metrics["gradient_penalty"] = gradient_penalty(network, expert)
            loss = loss + options.gradient_penalty / 2 * metrics["gradient_penalty"]
        return loss + options.last_layer_penalty / 2 * network.last.weight.square().sum(), metrics

    def style_reward(self, inputs: Tensor) -> Tensor:
        """See :class:`AmpOptions`."""
        scores: Tensor = self.discriminator(inputs)
        if self.options.loss == "least_squares":
            return (1 - (scores - 1).square() / 4).clamp_min(0)
        return -torch.log(torch.sigmoid(-scores).clamp_min(LEAST))
