"""Behavioral cloning from observation (Torabi et al. 2018)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt

from nil_core.api import FROM_DEMONSTRATIONS, LEARNING_REQUIREMENTS, Capability, ComponentCard, Options

EXPLORATION_STEPS = 5000
"""Most environment steps with random actions alone, unless ``exploration_steps`` says otherwise."""


class BcoOptions(Options):
    """Options of ``bco``."""

    demonstrations: Path = Field(description="Demonstrations (nil demos make, nil record) or a recording of the robot.")
    exploration_steps: PositiveInt | None = Field(
        None,
        description="Environment steps of the first round, with random actions; unset: a tenth of the run's steps, at "
        f"most {EXPLORATION_STEPS}.",
    )
    alpha: float = Field(
        1.0,
        ge=0,
        description="Environment steps of each later round, as a share of exploration_steps; 0: one round only, and "
        "nothing is learned from what happens after it.",
    )
    random_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of random actions in the round after the first; the others are the policy's.",
    )
    random_decay: float = Field(0.5, ge=0, le=1, description="Factor of that share from each round to the next.")
    hidden: tuple[PositiveInt, ...] = Field(
        (256, 256), min_length=1, description="Widths of the hidden layers of the policy and of the inverse dynamics."
    )
    loss: Literal["likelihood", "mse"] = Field(
        "likelihood", description="likelihood: of Gaussian actions; mse: squared error of deterministic ones."
    )
    replay_ratio: float = Field(
        0.5, gt=0, description="Gradient steps of each of the two networks per environment step; fractions add up."
    )
    batch_size: PositiveInt = Field(128, description="Transitions per gradient step.")
    learning_rate: float = Field(1e-3, gt=0, description="Of Adam, for both networks.")
    buffer_size: PositiveInt = Field(
        200_000, description="Own transitions that the inverse dynamics are learned from; the oldest are forgotten."
    )
    threads: int = Field(1, ge=1, description="CPU threads for acting and learning.")


CARD = ComponentCard(
    kind="agent",
    summary="Behavioral cloning from observation: inverse dynamics label demonstrations that have no actions.",
    target="nil_agent_bco.cloning_from_observation:CloningFromObservation",
    config=BcoOptions,
    requires=LEARNING_REQUIREMENTS,
    capabilities=frozenset({Capability.EXPORTS, Capability.OFFLINE, Capability.LEARNS}),
    config_defaults=FROM_DEMONSTRATIONS,
)
