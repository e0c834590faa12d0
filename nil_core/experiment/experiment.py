"""Experiment: robot, scene and reference of a config, with factories for environments, rewards and agents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nil_core.card import Capability
from nil_core.components import Choice, Chosen
from nil_core.config import RunConfig
from nil_core.devices import find_device
from nil_core.experiment.kept_demonstrations import demonstrated_motion
from nil_core.interfaces import Agent, Reward, VideoEncoder
from nil_core.measurements import StateTerm
from nil_core.reference.preview import preview
from nil_core.reference.speed import mean_speed
from nil_core.registry import card
from nil_core.reward.cards import ImitationOptions
from nil_core.reward.imitation import active_terms
from nil_core.reward.pictures import PictureTerms
from nil_core.reward.terms import IOU, VIDEO, RewardTerm
from nil_core.sim.base import action_base
from nil_core.sim.deviation import Deviation
from nil_core.sim.environment import EnvSpec, upright_poses
from nil_core.sim.observation import ObservedStates
from nil_core.sim.scene import RobotScene, compose
from nil_core.sim.starts import Starts
from nil_core.sim.vector_env import VectorEnv
from nil_core.types import AgentSpec, Motion, Reference, RewardSpec
from nil_core.video.clips import ClipEmbedder

ACCELERATION_SHARE = 1 / 3
"""Share at the start of a motion that is excluded from its target speed, because the motion starts at rest."""


def build_scene(config: RunConfig, choice: Choice, detailed: bool = False, size: int | None = None) -> RobotScene:
    """Build the scene with the chosen robot.

    Args:
        config: gives control, physics step and render size.
        choice: gives the robot.
        detailed: use the full meshes, for images larger than the render size.
        size: side of the images in pixels, for which meshes are simplified; default: the render size.
    """
    environment = config.environment
    size = size or environment.render_size
    return compose(choice["robot"].build(), environment.control, environment.timestep, size, simplify=not detailed)


def build_embedder(choice: Choice) -> ClipEmbedder:
    """Build the chosen encoder."""
    chosen = choice["encoder"]
    encoder: VideoEncoder = chosen.build()
    return ClipEmbedder(encoder, chosen.can(Capability.FRAME_WISE), chosen.name)


def encoder_needed(config: RunConfig) -> bool:
    """Whether evaluation metrics, the preview in the observation, or the reward need embeddings."""
    if config.reward.name == "imitation":
        reward_needs = any(term.needs == "embeddings" for term in _imitation_terms(config))
    else:
        reward_needs = not card("reward", config.reward.name).can(Capability.STATES_ONLY)
    return config.evaluation.video_metrics or config.environment.observation.preview > 0 or reward_needs


def _imitation_terms(config: RunConfig) -> Sequence[RewardTerm]:
    """Active terms of the reward ``imitation``; empty for other rewards."""
    if config.reward.name != "imitation":
        return ()
    return [term for term, _ in active_terms(ImitationOptions(**config.reward.options))]


@dataclass(frozen=True)
class Experiment:
    """Everything that training needs except the agent.

    Attributes:
        config: the config of the run.
        choice: its components.
        scene: the robot in its scene.
        reference: the video to imitate.
        embedder: the encoder; None if no similarity is computed.
    """

    config: RunConfig
    choice: Choice
    scene: RobotScene
    reference: Reference
    embedder: ClipEmbedder | None

    @property
    def motion(self) -> Motion | None:
        """The motion of the reference, or a demonstrated one; None if it is not used (off, missing or untrusted)."""
        settings = self.config.motion
        motion = self._demonstrated if settings.source == "demonstrations" else self.reference.motion
        if motion is None or settings.source == "none":
            return None
        return motion if motion.trusted or settings.untrusted == "use" else None

    @cached_property
    def _demonstrated(self) -> Motion:
        return demonstrated_motion(self.choice, self.scene, self.reference.ticks, self.reference.tick_hz)

    @property
    def has_base(self) -> bool:
        """Whether actions are relative to the motion; always False under torque control, where they are not angles."""
        return self.motion is not None and self.config.motion.base and self.config.environment.control == "pd"

    @property
    def without_base(self) -> Experiment:
        """The same experiment with actions relative to the standing pose, so that action 0 stands still."""
        motion = self.config.motion.model_copy(update={"base": False})
        return replace(self, config=self.config.model_copy(update={"motion": motion}))

    @property
    def target_speed(self) -> float | None:
        """Target speed of the environment reward, m/s: from the config, else the video's source, else the motion."""
        configured = self.config.evaluation.target_speed
        known = configured if configured is not None else self.reference.target_speed
        if known is None and self.motion is not None:
            return mean_speed(self.motion.qpos, self.reference.tick_hz, ACCELERATION_SHARE)
        return known

    @property
    def reference_speed(self) -> float | None:
        """Mean forward speed over the whole reference, m/s: of its source's trajectory, else of the motion."""
        qpos = self.reference.trajectory
        if qpos is None and self.motion is not None:
            qpos = self.motion.qpos
        return None if qpos is None or len(qpos) < 2 else mean_speed(qpos, self.reference.tick_hz)

    @cached_property
    def env_spec(self) -> EnvSpec:
        """Spec of evaluation environments: every episode starts at rest at the beginning of the reference."""
        settings, motion = self.config.environment, self.motion
        observation = settings.observation
        preview_rows = (
            preview(self.reference, observation.preview_components)
            if observation.preview
            else np.zeros((len(self.reference.frames), 0), np.float32)
        )
        spec = EnvSpec(self.scene, settings, self.reference.ticks, preview_rows, self.target_speed)
        if motion is None or not self.has_base:
            return spec
        return replace(spec, base=action_base(self.scene, motion.qpos, settings.control_steps_per_tick))

    @property
    def training_env_spec(self) -> EnvSpec:
        """Spec of training environments: as :attr:`env_spec`, with other starts and terminations of episodes."""
        spec, motion, settings = self.env_spec, self.motion, self.config.motion
        if motion is None:
            return spec
        if settings.start_share > 0:
            usable = upright_poses(self.scene, motion.qpos)
            starts = Starts.from_motion(self.scene, motion.qpos, self.reference.tick_hz, settings, usable)
            spec = replace(spec, starts=starts)
        if settings.max_deviation is not None:
            per_tick = self.config.environment.control_steps_per_tick
            spec = replace(spec, deviation=Deviation.from_motion(motion.qpos, per_tick, settings.max_deviation))
        return spec

    def reward(self, num_envs: int) -> Reward:
        """Build the reward for ``num_envs`` environments."""
        chosen = self.choice["reward"]
        spec = RewardSpec(
            reference=self.reference,
            num_envs=num_envs,
            framing=self.config.video.framing,
            embedder=lambda: self.embedder,
            seed=self.config.seed,
            device=resolve_device(self.config.device, chosen),
            scene=self.scene,
            steps_per_tick=self.config.environment.control_steps_per_tick,
        )
        built: Reward = chosen.build(spec)
        return built

    def metrics(self, num_envs: int) -> PictureTerms | None:
        """Those of S_v and IoU that the reward does not compute, so that evaluation always measures both."""
        if not self.config.evaluation.video_metrics:
            return None
        computed = {term.name for term in _imitation_terms(self.config)}
        terms = [term for term in (VIDEO, IOU) if term.name not in computed]
        return PictureTerms(terms, self.reference, num_envs, self.config.video.framing, self.embedder)

    def training_env(self, reward: Reward) -> VectorEnv:
        """Training environments; they render and measure what the reward needs."""
        settings = self.config.simulation
        return self.env(self.training_env_spec, settings.num_envs, self.config.seed, reward, bool(reward.needs))

    def evaluation_env(
        self, reward: Reward, num_envs: int, seed: int, further_terms: Sequence[StateTerm] = ()
    ) -> VectorEnv:
        """Evaluation environments; they also render what the metrics need, and compute further state terms."""
        render = bool(reward.needs) or self.config.evaluation.video_metrics
        return self.env(self.env_spec, num_envs, seed, reward, render, further_terms=further_terms)

    def env(
        self,
        spec: EnvSpec,
        num_envs: int,
        seed: int,
        reward: Reward,
        render: bool,
        workers: int | None = None,
        further_terms: Sequence[StateTerm] = (),
    ) -> VectorEnv:
        """Environments that compute the reward's state terms; ``workers`` defaults to ``simulation.workers``."""
        functions = [*(term.function for term in reward.state_terms), *further_terms]
        processes = self.config.simulation.workers if workers is None else workers
        return VectorEnv(spec, num_envs, processes, seed, render, functions)

    def agent(self, chosen: Chosen, env: VectorEnv) -> Agent:
        """Build an agent for the given environments."""
        spec = AgentSpec(
            observation_size=env.observation_size,
            action_size=env.action_size,
            num_envs=env.num_envs,
            horizon=self.env_spec.control_steps,
            total_steps=self.config.total_steps,
            seed=self.config.seed,
            device=resolve_device(self.config.device, chosen),
            layout=env.layout,
            scene=self.scene,
            control_hz=self.config.environment.control_hz,
            observe_states=None if self.has_base else ObservedStates(self.scene, self.env_spec.observer()),
        )
        agent: Agent = chosen.build(spec)
        return agent


def resolve_device(device: str, chosen: Chosen) -> str:
    """Resolve ``auto``: a GPU if torch finds one and the component needs torch, else the CPU."""
    if any(requirement.module == "torch" for requirement in chosen.card.requires):
        return str(find_device(device))
    return "cpu" if device == "auto" else device
