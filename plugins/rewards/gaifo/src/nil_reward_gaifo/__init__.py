"""Generative adversarial imitation from observation (Torabi et al. 2018)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nil_core.api import FROM_DEMONSTRATIONS, LEARNING_REQUIREMENTS, AdversarialOptions, Capability, ComponentCard


class GaifoOptions(AdversarialOptions):
    """Options of ``gaifo``."""

    form: Literal["expert", "log_odds"] = Field(
        "expert",
        description="Of the reward. expert: -log(1 - D), positive; log_odds: log D - log(1 - D), of either sign.",
    )
    gradient_penalty: float = Field(
        1.0, ge=0, description="Half of it times the squared gradient at demonstrated transitions is added to the loss."
    )


CARD = ComponentCard(
    kind="reward",
    summary="GAIfO: reward of a classifier of state transitions.",
    target="nil_reward_gaifo.classifier:Classifier",
    config=GaifoOptions,
    requires=LEARNING_REQUIREMENTS,
    capabilities=frozenset({Capability.LEARNS, Capability.OFFLINE, Capability.STATES_ONLY}),
    config_defaults=FROM_DEMONSTRATIONS,
)
