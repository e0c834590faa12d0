"""Cards of the built-in rewards; light to import, for ``nil plugins list``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat

from nil_core.card import Capability, ComponentCard, Options


class ImitationOptions(Options):
    """R = video * S_v + iou * S_M + regularization * P. A term of weight zero is not computed."""

    video: float = Field(1.0, ge=0, description="alpha: video similarity S_v")
    iou: float = Field(1.0, ge=0, description="beta: mask similarity S_M")
    regularization: float = Field(1.0, ge=0, description="gamma: all of P")
    torque: float = Field(0.02, ge=0, description="P_J: mean squared share of the torque limits")
    action: float = Field(0.02, ge=0, description="P_A: mean squared action difference")
    velocity: float = Field(0.0002, ge=0, description="P_V: mean squared joint velocity, (rad/s)^2")
    feet: float = Field(0.02, ge=0, description="P_F: slip of loaded feet (m/s), less air time (s)")
    stability: float = Field(0.1, ge=0, description="P_S: squared tilt of the torso, rad^2")
    terms: dict[str, NonNegativeFloat] = Field(
        {}, description="weights of third-party terms (entry points nil.reward_terms), by name"
    )
    similarity: Literal["cosine", "l2"] = Field("cosine", description="cosine (paper v2) or negative distance (v1)")
    scale: Literal["calibrated", "raw"] = Field(
        "calibrated", description="calibrated: 1 at a perfect match, 1/e where standing still scores; raw: unscaled"
    )
    terminal_value: float = Field(0.0, description="added to the reward of the transition that falls")


class EnvironmentOptions(Options):
    """The task's own reward."""

    terminal_value: float = Field(0.0, description="added to the reward of the transition that falls")


IMITATION = ComponentCard(
    kind="reward",
    summary="NIL: video similarity, mask similarity and regularization against the generated reference.",
    target="nil_core.reward.imitation:ImitationReward",
    config=ImitationOptions,
    capabilities=frozenset({Capability.OFFLINE}),
)
ENVIRONMENT = ComponentCard(
    kind="reward",
    summary="The task's own reward; of a robot exp(-(v - v_ref)^2) of its forward speed.",
    target="nil_core.reward.environment:EnvironmentReward",
    config=EnvironmentOptions,
    capabilities=frozenset({Capability.OFFLINE, Capability.STATES_ONLY}),
)
