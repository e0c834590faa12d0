"""BRO: Bigger, Regularized, Optimistic (Nauman et al. 2024), the RL algorithm of the NIL paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt, model_validator

from nil_core.api import LEARNING_REQUIREMENTS, Capability, ComponentCard, Options

RESETS = (15_001, 50_001, 250_001, 500_001, 750_001, 1_000_001, 1_500_001, 2_000_001)
"""Environment steps of the published resets; only the first is used with a replay ratio of at most 2."""


class BroOptions(Options):
    """Options of ``bro``; the defaults are the published ones."""

    RENAMED: ClassVar[Mapping[str, str]] = {
        "batch": "batch_size",
        "capacity": "buffer_size",
        "discount": "gamma",
        "target_rate": "tau",
        "warmup": "learning_starts",
    }

    replay_ratio: float = Field(10.0, gt=0, description="Gradient steps per environment step; fractions accumulate.")
    critic_width: PositiveInt = Field(512, description="Width of the critics.")
    critic_blocks: PositiveInt = Field(2, description="Residual blocks of each critic.")
    actor_width: PositiveInt = Field(256, description="Width of both actors.")
    actor_blocks: PositiveInt = Field(1, description="Residual blocks of each actor.")
    quantiles: PositiveInt = Field(100, description="Quantiles of the return that each critic predicts.")
    gamma: Annotated[float, Field(ge=0, lt=1)] | Literal["horizon"] = Field(
        0.99,
        description="Discount factor per control step; horizon: 1 - 5 / steps of an episode, in [0.95, 0.995].",
    )
    batch_size: PositiveInt = Field(128, description="Transitions per gradient step.")
    learning_starts: int = Field(
        2500, ge=0, description="Environment steps with uniformly random actions before the first gradient step."
    )
    critic_warmup: int = Field(
        0,
        ge=0,
        description="Initial gradient steps, also after a reset, in which only the critics learn, so that untrained "
        "critics do not degrade a good initial policy; published: 0.",
    )
    buffer_size: PositiveInt = Field(1_000_000, description="Capacity of the replay buffer in transitions.")
    replay_folder: str = Field("", description="Folder for a memory-mapped replay buffer; empty: in memory.")
    learning_rate: float = Field(
        3e-4, gt=0, description="Of AdamW for critics and actors, and of Adam for the temperature."
    )
    weight_decay: float = Field(
        1e-4, ge=0, description="Decoupled weight decay of all parameters of critics and actors."
    )
    tau: float = Field(0.005, gt=0, le=1, description="Update rate of the target critics per gradient step.")
    target_entropy: float = Field(-0.5, description="Target entropy in nats per action dimension.")
    initial_temperature: float = Field(1.0, gt=0, description="Initial weight of the entropy (alpha).")
    initial_std: float | None = Field(
        None,
        gt=1e-4,
        lt=7,
        description="Initial standard deviation of the policy before the tanh, with actions and critic outputs "
        "initialized near 0; unset: as published, random initial weights.",
    )
    pessimism: float = Field(
        0.0, ge=0, description="Factor of half the critics' disagreement, subtracted from their mean."
    )
    optimism: bool = Field(True, description="Explore with the second, optimistic actor; false: with the first.")
    resets: tuple[PositiveInt, ...] | None = Field(
        None,
        description="Environment steps at which everything except the replay buffer is reset; unset: as published, at "
        f"{', '.join(map(str, RESETS))}, with a replay_ratio up to 2 only at the first.",
    )
    fresh_resets: bool = Field(
        False, description="Draw new initial weights at each reset, instead of restoring the first ones."
    )
    threads: PositiveInt = Field(2, description="CPU threads for acting and learning.")
    cuda_graphs: bool = Field(True, description="On a CUDA device, run a gradient step as one CUDA graph.")

    @model_validator(mode="after")
    def _check_combinations(self) -> BroOptions:
        if self.buffer_size < max(self.learning_starts, self.batch_size):
            raise ValueError("buffer_size must be at least learning_starts and batch_size, or learning never starts")
        if self.resets is not None and sorted(set(self.resets)) != list(self.resets):
            raise ValueError("resets must increase")
        return self

    @property
    def reset_schedule(self) -> tuple[int, ...]:
        """Environment steps of the resets."""
        if self.resets is not None:
            return self.resets
        return RESETS if self.replay_ratio > 2 else RESETS[:1]


class BroFastOptions(BroOptions):
    """Options of ``bro-fast``: those of ``bro`` with a fifth of the gradient steps."""

    replay_ratio: float = Field(2.0, gt=0, description="Gradient steps per environment step; fractions accumulate.")


def _card(summary: str, config: type[Options]) -> ComponentCard:
    return ComponentCard(
        kind="agent",
        summary=summary,
        target="nil_agent_bro.bigger_regularized_optimistic:BiggerRegularizedOptimistic",
        config=config,
        requires=LEARNING_REQUIREMENTS,
        capabilities=frozenset({Capability.EXPORTS, Capability.OFFLINE, Capability.LEARNS}),
    )


CARD = _card("BRO (bigger, regularized, optimistic): the paper's agent, 10 gradient steps per step.", BroOptions)
FAST_CARD = _card("BRO Fast: bro with 2 gradient steps per step.", BroFastOptions)
