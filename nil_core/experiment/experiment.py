"""A config put together: the robot in its scene, the reference, and the ways to simulate, score and act in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from nil_core.card import Capability
from nil_core.components import Choice, Chosen
from nil_core.config import RunConfig
from nil_core.devices import find_device
from nil_core.evaluation.metrics import summarize
from nil_core.evaluation.rollout import Episode, Policy, rollout
from nil_core.interfaces import Agent, VideoEncoder
from nil_core.reference.preview import preview
from nil_core.reference.speed import mean_speed
from nil_core.reward.imitation import ImitationReward
from nil_core.reward.regularization import weights
from nil_core.sim.base import action_base
from nil_core.sim.deviation import Deviation
from nil_core.sim.environment import EnvSpec, upright_poses
from nil_core.sim.scene import RobotScene, compose
from nil_core.sim.starts import Starts
from nil_core.sim.vector_env import State, VectorEnv
from nil_core.types import AgentSpec, Floats, Motion, Reference
from nil_core.video.clips import ClipEmbedder

EVALUATION_SEED = 1_000_003  # apart from the seeds of training environments
FROM_REST = 1 / 3
"""Share of a motion that does not count for the speed it is meant to have: it starts from rest."""


def build_scene(config: RunConfig, choice: Choice, detailed: bool = False) -> RobotScene:
    """The chosen robot in its scene.

    Args:
        config: control, physics step and render size.
        choice: the robot is used.
        detailed: with all triangles, for pictures larger than the render size.
    """
    environment = config.environment
    size = environment.render_size
    return compose(choice["robot"].build(), environment.control, environment.timestep, size, simplify=not detailed)


def build_embedder(config: RunConfig, choice: Choice) -> ClipEmbedder | None:
    """The chosen encoder, or None where the video weight is zero."""
    if config.reward.video == 0:
        return None
    encoder: VideoEncoder = choice["encoder"].build()
    return ClipEmbedder(encoder, choice["encoder"].can(Capability.FRAME_WISE))


@dataclass(frozen=True)
class Experiment:
    """Everything stage 2 is made of, the agent aside."""

    config: RunConfig
    choice: Choice
    scene: RobotScene
    reference: Reference
    embedder: ClipEmbedder | None

    @property
    def motion(self) -> Motion | None:
        """The motion that may be built upon."""
        settings, motion = self.config.motion, self.reference.motion
        if motion is None or settings.source == "none":
            return None
        return motion if motion.trusted or settings.untrusted == "use" else None

    @property
    def has_base(self) -> bool:
        """Whether actions are about the motion; never under torque control, where they are no angles."""
        return self.motion is not None and self.config.motion.base and self.config.environment.control == "pd"

    @property
    def about_stand(self) -> Experiment:
        """The same with actions about the stand, so that action 0 stands still."""
        motion = self.config.motion.model_copy(update={"base": False})
        return replace(self, config=self.config.model_copy(update={"motion": motion}))

    @property
    def target_speed(self) -> float | None:
        """m/s for the environment reward: the configured one, else the video source's, else the motion's, if any."""
        configured = self.config.evaluation.target_speed
        known = configured if configured is not None else self.reference.target_speed
        if known is None and self.motion is not None:
            return mean_speed(self.motion.qpos, self.reference.tick_hz, FROM_REST)
        return known

    @property
    def reference_speed(self) -> float | None:
        """m/s, mean forward speed over the whole reference, as its source knows it, else the motion's, if any."""
        qpos = self.reference.trajectory
        if qpos is None and self.motion is not None:
            qpos = self.motion.qpos
        return None if qpos is None or len(qpos) < 2 else mean_speed(qpos, self.reference.tick_hz)

    @property
    def looks(self) -> bool:
        """Whether the reward asks what the robot looks like; where not, nothing is drawn."""
        return self.config.reward.video > 0 or self.config.reward.iou > 0

    @property
    def plan(self) -> EnvSpec:
        """What environments are in which policies are tried: every episode starts at rest at the beginning."""
        settings, motion = self.config.environment, self.motion
        observation = settings.observation
        shown = (
            preview(self.reference, observation.preview_components)
            if observation.preview
            else np.zeros((len(self.reference.frames), 0), np.float32)
        )
        plan = EnvSpec(self.scene, settings, self.reference.ticks, shown, self.target_speed)
        if motion is None or not self.has_base:
            return plan
        return replace(plan, base=action_base(self.scene, motion.qpos, settings.control_steps_per_tick))

    @property
    def training_plan(self) -> EnvSpec:
        """What environments are in which agents learn: as :attr:`plan`, but for where episodes start and end."""
        plan, motion, settings = self.plan, self.motion, self.config.motion
        if motion is None:
            return plan
        if settings.start_share > 0:
            usable = upright_poses(self.scene, motion.qpos)
            starts = Starts.from_motion(self.scene, motion.qpos, self.reference.tick_hz, settings, usable)
            plan = replace(plan, starts=starts)
        if settings.max_deviation is not None:
            per_tick = self.config.environment.control_steps_per_tick
            plan = replace(plan, deviation=Deviation.from_motion(motion.qpos, per_tick, settings.max_deviation))
        return plan

    def simulation(self, num_envs: int, seed: int, training: bool = False) -> VectorEnv:
        """Environments that draw and measure no more than the reward's weights ask for.

        Args:
            num_envs: how many.
            seed: of all randomness in them.
            training: by :attr:`training_plan`, else by :attr:`plan`.
        """
        return VectorEnv(
            self.training_plan if training else self.plan,
            num_envs,
            self.config.simulation.workers,
            seed,
            render=self.looks,
            measure=bool(weights(self.config.reward)),
        )

    def reward(self, simulation: VectorEnv) -> ImitationReward:
        """The imitation reward for the environments of a simulation."""
        actions = self.scene.model.nu
        num_envs, feet = simulation.num_envs, simulation.feet
        settings, framing = self.config.reward, self.config.video.framing
        return ImitationReward(self.reference, settings, self.embedder, num_envs, actions, feet, framing)

    def agent(self, chosen: Chosen, simulation: VectorEnv) -> Agent:
        """An agent that fits a simulation."""
        setting = AgentSpec(
            observation_size=simulation.observation_size,
            action_size=self.scene.model.nu,
            num_envs=simulation.num_envs,
            horizon=self.plan.control_steps,
            total_steps=self.config.total_steps,
            seed=self.config.seed,
            device=resolve_device(self.config.device, chosen),
        )
        agent: Agent = chosen.build(setting)
        return agent


class Evaluator:
    """Scores policies on the same start states, however often it is asked.

    Args:
        experiment: what to act in.
        episodes: environments, each gives one episode.
        seed: of the start states.
    """

    def __init__(self, experiment: Experiment, episodes: int, seed: int) -> None:
        self._experiment = experiment
        self.seed = seed
        self.simulation = experiment.simulation(episodes, EVALUATION_SEED + seed)
        self._start: State = self.simulation.state()

    def episodes(self, policy: Policy, record: bool = False) -> list[Episode]:
        """One episode per environment."""
        source = self._experiment.reward(self.simulation)
        return rollout(self.simulation, self._start, source, policy, self._experiment.plan.control_steps, record)

    def score(self, episodes: list[Episode]) -> Mapping[str, float]:
        """Their row of the table, see :data:`nil_core.evaluation.metrics.COLUMNS`."""
        plan = self._experiment.plan
        return summarize(episodes, plan.ticks, plan.control_steps, self._experiment.target_speed is not None)

    def close(self) -> None:
        """End the simulation."""
        self.simulation.close()


def deterministic_policy(agent: Agent) -> Policy:
    """The agent without exploration."""

    def act(observations: Floats) -> Floats:
        return agent.act(observations, explore=False)

    return act


def resolve_device(device: str, chosen: Chosen) -> str:
    """``auto`` is the GPU where torch sees one, for components that need torch; else the CPU."""
    if any(requirement.module == "torch" for requirement in chosen.card.requires):
        return str(find_device(device))
    return "cpu" if device == "auto" else device
