"""Soft actor-critic with automatic temperature (Haarnoja et al. 2018)."""

from __future__ import annotations

from pydantic import Field, PositiveInt, model_validator

from nil_core.api import Capability, ComponentCard, Options, Requirement


class SacOptions(Options):
    """Options of ``sac``; the defaults are those of the preset ``quickstart``.

    Small noise and no random warm-up, because a similarity of pictures is a narrow peak: experience far from the
    standing pose tells little, and made learning slower wherever it was tried.
    """

    hidden: tuple[PositiveInt, ...] = Field(
        (128, 128), min_length=1, description="Widths of the hidden layers of the actor and of each critic."
    )
    critics: int = Field(2, ge=2, description="Critics; the target and the actor use the least of them.")
    discount: float = Field(0.95, ge=0, lt=1, description="Discount per control step (gamma).")
    learning_rate: float = Field(1e-3, gt=0, description="Adam's step for actor, critics and temperature.")
    batch: int = Field(128, ge=1, description="Transitions in a gradient step.")
    replay_ratio: float = Field(1.0, gt=0, description="Gradient steps per environment step; fractions are kept.")
    warmup: int = Field(
        0, ge=0, description="Environment steps of uniformly random actions, before which nothing is learned."
    )
    critic_warmup: int = Field(
        2000,
        ge=0,
        description="Gradient steps at the start in which only the critics learn, so that values that mean nothing yet "
        "do not spoil a policy that begins well.",
    )
    capacity: int = Field(200_000, ge=1, description="Transitions remembered.")
    replay_folder: str = Field(
        "", description="Folder whose disk holds what is remembered, as a memory-mapped file; empty: memory does."
    )
    target_rate: float = Field(
        0.005, gt=0, le=1, description="Part of the critics the targets take over per step (tau)."
    )
    target_entropy: float = Field(-1.0, description="Entropy the temperature aims at, nats per action entry.")
    initial_temperature: float = Field(0.005, gt=0, description="Weight of the entropy at the start (alpha).")
    initial_std: float = Field(
        0.05, gt=0.01, lt=7, description="Standard deviation of the policy at the start, before the tanh."
    )
    compiled: bool = Field(True, description="On a CPU, make a gradient step by one compiled function, on one thread.")
    threads: int = Field(1, ge=1, description="CPU threads for acting and learning.")
    cuda_graphs: bool = Field(True, description="On a CUDA device, launch a gradient step as one graph.")

    @model_validator(mode="after")
    def _room_to_start(self) -> SacOptions:
        if self.capacity < max(self.warmup, self.batch):
            raise ValueError("capacity must hold the warm-up and a batch, or nothing is ever learned")
        return self


CARD = ComponentCard(
    kind="agent",
    summary="Soft actor-critic: entropy-regularized, automatic temperature.",
    target="nil_agent_sac.soft_actor_critic:SoftActorCritic",
    config=SacOptions,
    requires=(
        Requirement("torch", 'pip install "nil-core[learning]"'),
        Requirement("safetensors", 'pip install "nil-core[learning]"'),
    ),
    capabilities=frozenset({Capability.EXPORTS, Capability.OFFLINE, Capability.LEARNS}),
)
