"""Diffusion-reward adversarial imitation learning (Lai et al. 2024)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from nil_core.api import FROM_DEMONSTRATIONS, LEARNING_REQUIREMENTS, AdversarialOptions, Capability, ComponentCard


class DrailOptions(AdversarialOptions):
    """Options of ``drail``."""

    inputs: Literal["states", "actions"] = Field(
        "states", description="states: (s, s'), as motion capture has no actions; actions: (s, a), as published."
    )
    style_scale: float = Field(0.3, gt=0, description="Factor of the learned part of the reward.")
    hidden: tuple[PositiveInt, ...] = Field(
        (128, 128, 128), min_length=1, description="Widths of the hidden layers of the noise predictor."
    )
    learning_rate: float = Field(1e-3, gt=0, description="Of Adam, for the noise predictor.")
    gradient_steps: PositiveInt = Field(4, description="Gradient steps of an update.")
    form: Literal["log_odds", "expert"] = Field(
        "log_odds",
        description="log_odds: reward log D - log(1 - D) + offset, of either sign; expert: -log(1 - D), positive.",
    )
    offset: float = Field(
        3.0, description="Added to log D - log(1 - D), which is negative for the agent, so that falling does not pay."
    )
    draws: PositiveInt = Field(
        32, description="Draws of noise and time that the reward of a tick is averaged over; published is 1."
    )
    shared_draws: bool = Field(
        True,
        description="Whether all ticks are scored with the same draws, so that rewards of similar ticks are similar; "
        "published are draws of each.",
    )
    gradient_penalty: float = Field(
        1.0,
        ge=0,
        description="Half of it times the squared gradient of log D - log(1 - D) between agent and expert is added to "
        "the loss; published is 0.",
    )
    diffusion_steps: int = Field(1000, ge=2, description="Steps of the diffusion process.")


CARD = ComponentCard(
    kind="reward",
    summary="DRAIL: reward of a diffusion model that tells expert from agent.",
    target="nil_reward_drail.diffusion_classifier:DiffusionClassifier",
    config=DrailOptions,
    requires=LEARNING_REQUIREMENTS,
    capabilities=frozenset({Capability.LEARNS, Capability.OFFLINE, Capability.STATES_ONLY}),
    config_defaults=FROM_DEMONSTRATIONS,
)
