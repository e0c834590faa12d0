"""BRO: Bigger, Regularized, Optimistic (Nauman et al. 2024), the learner of the paper."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from nil_core.api import Capability, ComponentCard, Options, Requirement

RESETS = (15_001, 50_001, 250_001, 500_001, 750_001, 1_000_001, 1_500_001, 2_000_001)
"""Environment steps of the published resets; with a replay ratio of 2 or less only the first."""


class BroOptions(Options):
    """Options of ``bro``; the defaults are the published ones, so whatever is set is a deviation."""

    replay_ratio: float = Field(10.0, gt=0, description="Gradient steps per environment step; fractions are kept.")
    critic_width: PositiveInt = Field(512, description="Width of the critics.")
    critic_blocks: PositiveInt = Field(2, description="Residual blocks of each critic.")
    actor_width: PositiveInt = Field(256, description="Width of both actors.")
    actor_blocks: PositiveInt = Field(1, description="Residual blocks of each actor.")
    quantiles: PositiveInt = Field(100, description="Quantiles of the return that each critic predicts.")
    discount: Annotated[float, Field(ge=0, lt=1)] | Literal["horizon"] = Field(
        0.99,
        description="Discount per control step (gamma); horizon: 1 - 5 / steps of an episode, in [0.95, 0.995].",
    )
    batch: PositiveInt = Field(128, description="Transitions in a gradient step.")
    warmup: int = Field(
        2500, ge=0, description="Environment steps of uniformly random actions, before which nothing is learned."
    )
    capacity: PositiveInt = Field(1_000_000, description="Transitions remembered.")
    replay_folder: str = Field(
        "", description="Folder whose disk holds what is remembered, as a memory-mapped file; empty: memory does."
    )
    learning_rate: float = Field(3e-4, gt=0, description="AdamW's step for critics and actors, Adam's for temperature.")
    weight_decay: float = Field(1e-4, ge=0, description="Decoupled decay of every parameter of critics and actors.")
    target_rate: float = Field(
        0.005, gt=0, le=1, description="Part of the critics the targets take over per step (tau)."
    )
    target_entropy: float = Field(-0.5, description="Entropy the temperature aims at, nats per action entry.")
    initial_temperature: float = Field(1.0, gt=0, description="Weight of the entropy at the start (alpha).")
    initial_std: float | None = Field(
        None,
        gt=1e-4,
        lt=7,
        description="Standard deviation of the policy at the start, before the tanh, around actions of 0, with critics "
        "that start at 0 too; unset: as published, a policy and values from random weights.",
    )
    pessimism: float = Field(0.0, ge=0, description="Part of half the critics' disagreement taken off their mean.")
    optimism: bool = Field(True, description="Explore with the second, optimistic actor; false: with the first.")
    resets: tuple[PositiveInt, ...] | None = Field(
        None,
        description="Environment steps at which all but the replay buffer begins anew; unset: as published, at "
        f"{', '.join(map(str, RESETS))}, with a replay_ratio up to 2 at the first alone.",
    )
    fresh_resets: bool = Field(False, description="Begin anew from other weights at each reset, not the first ones.")
    threads: PositiveInt = Field(2, description="CPU threads for acting and learning.")
    cuda_graphs: bool = Field(True, description="On a CUDA device, launch a gradient step as one graph.")

    @model_validator(mode="after")
    def _sound(self) -> BroOptions:
        if self.capacity < max(self.warmup, self.batch):
            raise ValueError("capacity must hold the warm-up and a batch, or nothing is ever learned")
        if self.resets is not None and sorted(set(self.resets)) != list(self.resets):
            raise ValueError("resets must rise")
        return self

    @property
    def schedule(self) -> tuple[int, ...]:
        """Environment steps of the resets."""
        if self.resets is not None:
            return self.resets
        return RESETS if self.replay_ratio > 2 else RESETS[:1]


class BroFastOptions(BroOptions):
    """Options of ``bro-fast``: those of ``bro`` with a fifth of the gradient steps."""

    replay_ratio: float = Field(2.0, gt=0, description="Gradient steps per environment step; fractions are kept.")


def _card(summary: str, config: type[Options]) -> ComponentCard:
    return ComponentCard(
        kind="agent",
        summary=summary,
        target="nil_agent_bro.bigger_regularized_optimistic:BiggerRegularizedOptimistic",
        config=config,
        requires=(
            Requirement("torch", 'pip install "nil-core[learning]"'),
            Requirement("safetensors", 'pip install "nil-core[learning]"'),
        ),
        capabilities=frozenset({Capability.EXPORTS, Capability.OFFLINE, Capability.LEARNS}),
    )


CARD = _card("BRO (bigger, regularized, optimistic): the paper's learner, ten gradient steps a step.", BroOptions)
FAST_CARD = _card("BRO Fast: bro with two gradient steps a step.", BroFastOptions)
