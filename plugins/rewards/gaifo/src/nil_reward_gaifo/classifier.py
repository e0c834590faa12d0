"""The classifier of GAIfO and the reward it gives."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from nil_core.learning import Discriminator, gradient_penalty, logistic_loss
from nil_core.learning.adversarial import AdversarialReward
from nil_reward_gaifo import GaifoOptions


class Classifier(AdversarialReward):
    """The reward ``gaifo``, see :class:`~nil_core.learning.adversarial.AdversarialReward`.

    D(s, s') is the probability that a transition is the expert's: in the paper that it is the imitator's.

    Args:
        options: see :class:`GaifoOptions`.
        spec: with a scene.
    """

    name = "gaifo"
    options: GaifoOptions

    def unit(self) -> str:
        """See the base class."""
        return "-log(1 - D(s, s'))" if self.options.form == "expert" else "log D(s, s') - log(1 - D(s, s'))"

    def network(self, size: int) -> nn.Module:
        """See the base class."""
        return Discriminator(size, self.options.hidden)

    def loss(self, expert: Tensor, agent: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross entropy, and the gradient penalty at the expert."""
        logits = self.discriminator(torch.cat([expert, agent]))
        of_expert, of_agent = torch.split(logits, len(expert))
        loss = logistic_loss(of_expert, of_agent)
        chances = torch.split(torch.sigmoid(logits), len(expert))
        metrics = {"expert_score": chances[0].mean(), "agent_score": chances[1].mean()}
        if self.options.gradient_penalty:
            metrics["gradient_penalty"] = gradient_penalty(self.discriminator, expert)
            loss = loss + self.options.gradient_penalty / 2 * metrics["gradient_penalty"]
        return loss, metrics

    def style_reward(self, inputs: Tensor) -> Tensor:
        """-log(1 - D) is softplus of the logit, the log odds are the logit."""
        logits: Tensor = self.discriminator(inputs)
        return softplus(logits) if self.options.form == "expert" else logits
