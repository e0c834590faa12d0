"""A config put together: the robot in its scene, the reference, and the ways to simulate, score and act in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nil_core.card import Capability
from nil_core.components import Choice, Chosen
from nil_core.config import RunConfig
from nil_core.devices import find_device
from nil_core.evaluation.metrics import summarise
from nil_core.evaluation.rollout import Episode, Policy, rollout
from nil_core.interfaces import Agent, VideoEncoder
from nil_core.reference.preview import preview
from nil_core.reward.imitation import ImitationReward
from nil_core.reward.regularization import weights
from nil_core.reward.windows import ClipEmbedder
from nil_core.sim.environment import EnvironmentPlan
from nil_core.sim.scene import RobotScene, compose
from nil_core.sim.workers import Simulation, State
from nil_core.types import AgentSetting, Floats, Reference

EVALUATION_SEED = 1_000_003  # apart from the seeds of training environments


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
class World:
    """Everything stage 2 is made of, the agent aside."""

    config: RunConfig
    choice: Choice
    scene: RobotScene
    reference: Reference
    embedder: ClipEmbedder | None

    @property
    def target_speed(self) -> float | None:
        """m/s for the environment reward, if anybody knows it."""
        configured = self.config.evaluation.target_speed
        return configured if configured is not None else self.reference.target_speed

    @property
    def looks(self) -> bool:
        """Whether the reward asks what the robot looks like; where not, nothing is drawn."""
        return self.config.reward.video > 0 or self.config.reward.iou > 0

    @property
    def plan(self) -> EnvironmentPlan:
        """What environments are."""
        observation = self.config.environment.observation
        shown = (
            preview(self.reference, observation.preview_components)
            if observation.preview
            else np.zeros((len(self.reference.frames), 0), np.float32)
        )
        return EnvironmentPlan(self.scene, self.config.environment, self.reference.ticks, shown, self.target_speed)

    def simulation(self, environments: int, seed: int) -> Simulation:
        """Environments that draw and measure no more than the reward's weights ask for."""
        return Simulation(
            self.plan,
            environments,
            self.config.simulation.workers,
            seed,
            render=self.looks,
            measure=bool(weights(self.config.reward)),
        )

    def reward(self, simulation: Simulation) -> ImitationReward:
        """The imitation reward for the environments of a simulation."""
        actions = self.scene.model.nu
        environments, feet = simulation.environments, simulation.feet
        settings, framing = self.config.reward, self.config.video.framing
        return ImitationReward(self.reference, settings, self.embedder, environments, actions, feet, framing)

    def agent(self, chosen: Chosen, simulation: Simulation) -> Agent:
        """An agent that fits a simulation."""
        setting = AgentSetting(
            observation_size=simulation.observation_size,
            action_size=self.scene.model.nu,
            environments=simulation.environments,
            horizon=self.plan.control_steps,
            total_steps=self.config.steps,
            seed=self.config.seed,
            device=resolve_device(self.config.device, chosen),
        )
        agent: Agent = chosen.build(setting)
        return agent


class Examiner:
    """Scores policies on the same start states, however often it is asked.

    Args:
        world: what to act in.
        episodes: environments, each gives one episode.
        seed: of the start states.
    """

    def __init__(self, world: World, episodes: int, seed: int) -> None:
        self._world = world
        self.simulation = world.simulation(episodes, EVALUATION_SEED + seed)
        self._start: State = self.simulation.state()

    def episodes(self, policy: Policy, record: bool = False) -> list[Episode]:
        """One episode per environment."""
        source = self._world.reward(self.simulation)
        return rollout(self.simulation, self._start, source, policy, self._world.plan.control_steps, record)

    def score(self, episodes: list[Episode]) -> Mapping[str, float]:
        """Their row of the table, see :data:`nil_core.evaluation.metrics.COLUMNS`."""
        plan = self._world.plan
        return summarise(episodes, plan.ticks, plan.control_steps, self._world.target_speed is not None)

    def close(self) -> None:
        """End the simulation."""
        self.simulation.close()


def mode_of(agent: Agent) -> Policy:
    """The agent without exploration."""

    def act(observations: Floats) -> Floats:
        return agent.act(observations, explore=False)

    return act


def resolve_device(device: str, chosen: Chosen) -> str:
    """``auto`` is the GPU where torch sees one, for components that need torch; else the CPU."""
    if any(requirement.module == "torch" for requirement in chosen.card.requires):
        return str(find_device(device))
    return "cpu" if device == "auto" else device
