"""Behavioral cloning."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt

from nil_core.api import LEARNING_REQUIREMENTS, Capability, ComponentCard, Options

GRADIENT_STEPS, PER_ENVIRONMENT_STEP = 20_000, 10
"""Most gradient steps, and how many for each environment step of the run, unless ``gradient_steps`` says otherwise."""


class BcOptions(Options):
    """Options of ``bc``."""

    demonstrations: Path = Field(description="Demonstrations with actions and observations (nil record).")
    hidden: tuple[PositiveInt, ...] = Field(
        (256, 256), min_length=1, description="Widths of the hidden layers of the policy."
    )
    loss: Literal["likelihood", "mse"] = Field(
        "likelihood", description="likelihood: of a Gaussian policy; mse: squared error of a deterministic one."
    )
    gradient_steps: PositiveInt | None = Field(
        None,
        description="Gradient steps, spread evenly over the first half of the run; unset: "
        f"{PER_ENVIRONMENT_STEP} times the run's steps, at most {GRADIENT_STEPS}.",
    )
    batch_size: PositiveInt = Field(128, description="Demonstrated actions per gradient step.")
    learning_rate: float = Field(3e-4, gt=0, description="Of Adam.")
    threads: int = Field(1, ge=1, description="CPU threads for acting and learning.")


CARD = ComponentCard(
    kind="agent",
    summary="Behavioral cloning: supervised learning of recorded actions; needs demonstrations with actions.",
    target="nil_agent_bc.behavioral_cloning:BehavioralCloning",
    config=BcOptions,
    requires=LEARNING_REQUIREMENTS,
    capabilities=frozenset({Capability.EXPORTS, Capability.OFFLINE, Capability.LEARNS, Capability.NEEDS_ACTIONS}),
)
