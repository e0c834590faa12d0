"""Soft actor-critic with automatic temperature (Haarnoja et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, PositiveInt, model_validator

from nil_core.api import LEARNING_REQUIREMENTS, Capability, ComponentCard, Options


class SacOptions(Options):
    """Options of ``sac``; the defaults are those of the preset ``quickstart``.

    Exploration starts with small noise and without random actions: image similarity has a narrow peak, so transitions
    far from the standing pose carry little information and slowed learning in every test.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {
        "batch": "batch_size",
        "capacity": "buffer_size",
        "discount": "gamma",
        "target_rate": "tau",
        "warmup": "learning_starts",
    }

    hidden: tuple[PositiveInt, ...] = Field(
        (128, 128), min_length=1, description="Widths of the hidden layers of the actor and of each critic."
    )
    critics: int = Field(2, ge=2, description="Number of critics; the TD target and the actor use their minimum.")
    gamma: float = Field(0.95, ge=0, lt=1, description="Discount factor per control step.")
    n_step: int = Field(1, ge=1, description="Steps of n-step returns, without off-policy correction.")
    learning_rate: float = Field(1e-3, gt=0, description="Of Adam, for actor, critics and temperature.")
    batch_size: int = Field(128, ge=1, description="Transitions per gradient step.")
    replay_ratio: float = Field(1.0, gt=0, description="Gradient steps per environment step; fractions accumulate.")
    learning_starts: int = Field(
        0, ge=0, description="Environment steps with uniformly random actions before the first gradient step."
    )
    critic_warmup: int = Field(
        2000,
        ge=0,
        description="Initial gradient steps that update only the critics, so that untrained critics do not "
        "degrade a good initial policy.",
    )
    buffer_size: int = Field(200_000, ge=1, description="Capacity of the replay buffer in transitions.")
    replay_folder: str = Field("", description="Folder for a memory-mapped replay buffer; empty: in memory.")
    tau: float = Field(0.005, gt=0, le=1, description="Update rate of the target critics per gradient step.")
    policy_average: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Share of the gradient steps so far over which the weights of the evaluated and exported policy "
        "are averaged; training is not changed by it. 0: the newest weights.",
    )
    target_entropy: float = Field(-1.0, description="Target entropy in nats per action dimension.")
    initial_temperature: float = Field(0.005, gt=0, description="Initial weight of the entropy (alpha).")
    initial_std: float = Field(
        0.05, gt=0.01, lt=7, description="Initial standard deviation of the policy before the tanh."
    )
    compiled: bool = Field(True, description="On a CPU, run a gradient step as one numba function, on one thread.")
    threads: int = Field(1, ge=1, description="CPU threads for acting and learning.")
    cuda_graphs: bool = Field(True, description="On a CUDA device, run a gradient step as one CUDA graph.")

    @model_validator(mode="after")
    def _check_buffer_size(self) -> SacOptions:
        if self.buffer_size < max(self.learning_starts, self.batch_size):
            raise ValueError("buffer_size must be at least learning_starts and batch_size, or learning never starts")
        return self


CARD = ComponentCard(
    kind="agent",
    summary="Soft actor-critic: entropy-regularized, automatic temperature.",
    target="nil_agent_sac.soft_actor_critic:SoftActorCritic",
    config=SacOptions,
    requires=LEARNING_REQUIREMENTS,
    capabilities=frozenset({Capability.EXPORTS, Capability.OFFLINE, Capability.LEARNS}),
)
