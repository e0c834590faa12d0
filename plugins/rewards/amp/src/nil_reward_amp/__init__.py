"""Adversarial motion priors (Peng et al. 2021)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from nil_core.api import FROM_DEMONSTRATIONS, LEARNING_REQUIREMENTS, AdversarialOptions, Capability, ComponentCard


class AmpOptions(AdversarialOptions):
    """Options of ``amp``; the weights of the loss are the published ones."""

    loss: Literal["least_squares", "logistic"] = Field(
        "least_squares",
        description="least_squares: style reward max(0, 1 - (D - 1)^2 / 4); logistic: -log(1 - sigmoid(D)).",
    )
    task_share: float = Field(
        0.5, ge=0, le=1, description="Share of the task reward exp(-(v - target_speed)^2) of the forward speed v."
    )
    hidden: tuple[PositiveInt, ...] = Field((1024, 512), min_length=1, description="Widths of the hidden layers.")
    weight_decay: float = Field(5e-4, ge=0, description="Half of it times the squared weights is added to the loss.")
    gradient_penalty: float = Field(
        10.0,
        ge=0,
        description="Half of it times the squared gradient at demonstrated transitions is added to the loss.",
    )
    last_layer_penalty: float = Field(
        0.05, ge=0, description="Half of it times the squared weights of the last layer is added to the loss."
    )


CARD = ComponentCard(
    kind="reward",
    summary="AMP: style reward of a discriminator of transitions, and a speed reward.",
    target="nil_reward_amp.motion_prior:MotionPrior",
    config=AmpOptions,
    requires=LEARNING_REQUIREMENTS,
    capabilities=frozenset({Capability.LEARNS, Capability.OFFLINE, Capability.STATES_ONLY}),
    config_defaults=FROM_DEMONSTRATIONS,
)
