"""Proximal policy optimization (Schulman et al. 2017)."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from nil_core.api import LEARNING_REQUIREMENTS, Capability, ComponentCard, Options

TRANSITIONS = 2048
"""Transitions of a rollout over all environments, unless ``rollout_steps`` says otherwise."""


class PpoOptions(Options):
    """Options of ``ppo``; the defaults are those usual for MuJoCo tasks, with the discount and noise of AMP."""

    hidden: tuple[PositiveInt, ...] = Field(
        (256, 256), min_length=1, description="Widths of the hidden layers of the policy and of the critic."
    )
    rollout_steps: PositiveInt | None = Field(
        None,
        description=f"Control steps of each environment between two updates; unset: {TRANSITIONS} over all "
        "environments, at most a tenth of the run's steps.",
    )
    epochs: PositiveInt = Field(10, description="Passes over the transitions of a rollout in an update.")
    batch_size: PositiveInt = Field(64, description="Transitions per gradient step.")
    gamma: float = Field(0.95, ge=0, lt=1, description="Discount factor per control step.")
    gae_lambda: float = Field(0.95, ge=0, le=1, description="Lambda of generalized advantage estimation.")
    clip: float = Field(0.2, gt=0, description="Largest change of the probability ratio that is rewarded.")
    target_kl: float = Field(
        0.02,
        ge=0,
        description="KL divergence from the policy that acted at which the policy's update stops; the learning rate is "
        "then lowered, and raised after an update that stays below half of it. 0: neither.",
    )
    entropy_weight: float = Field(0.0, ge=0, description="Weight of the entropy bonus in the policy's loss.")
    learning_rate: float = Field(
        3e-4, gt=0, description="Of Adam, for the policy; with target_kl the first one, which is adapted."
    )
    critic_learning_rate: float = Field(3e-4, gt=0, description="Of Adam, for the critic.")
    max_grad_norm: float = Field(0.5, gt=0, description="Gradients of policy and critic are scaled down to this norm.")
    initial_std: float = Field(
        0.2, gt=0, description="Initial standard deviation of the policy, the same for every observation."
    )
    learn_std: bool = Field(True, description="Learn the standard deviation; false: it stays as it is, as in AMP.")
    normalize_observations: bool = Field(
        True, description="Normalize observations by their running mean and standard deviation."
    )
    normalize_rewards: bool = Field(
        True, description="Divide rewards by the running standard deviation of the discounted return."
    )
    threads: int = Field(1, ge=1, description="CPU threads for acting and learning.")


CARD = ComponentCard(
    kind="agent",
    summary="Proximal policy optimization: on-policy, the learner of AMP and DRAIL.",
    target="nil_agent_ppo.proximal_policy_optimization:ProximalPolicyOptimization",
    config=PpoOptions,
    requires=LEARNING_REQUIREMENTS,
    capabilities=frozenset({Capability.EXPORTS, Capability.OFFLINE, Capability.LEARNS}),
    config_defaults={"simulation.num_envs": 8},
)
