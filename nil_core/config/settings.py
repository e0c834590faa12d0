"""The tables of a run's configuration, with defaults, descriptions and validation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, field_validator, model_validator

from nil_core.card import KINDS

Tree = dict[str, Any]
Framing = Literal["whole", "box"]
ControlMode = Literal["pd", "torque"]


class Section(BaseModel):
    """Base class of config tables: unknown keys are errors; validated values are immutable.

    Attributes:
        RENAMED: old to new keys, see :mod:`nil_core.renamed_keys`.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {}
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _split_names(value: Any) -> Any:
    """Split the string ``a, b`` into a list of names; return other values unchanged."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


class Component(Section):
    """A component: its name and its own options."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    name: str = Field(description="name on the command line; see `nil plugins list`")

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> Tree:
        """The component's own options, as given."""
        return dict(self.model_extra or {})


class VideoSettings(Section):
    """The reference video."""

    seconds: PositiveFloat | None = Field(
        None,
        description="length of the video in seconds, and so of an episode; unset: set by the robot, 4 for bipeds, "
        "else 2.5",
    )
    alignment: Literal["hold", "blend", "flow", "rife"] = Field(
        "hold",
        description="resampling of frames to the tick rate: hold the last frame (paper v1), or interpolate: blend "
        "(cross-fade), flow (optical flow), rife (paper v2, needs rife_weights)",
    )
    rife_weights: Path | None = Field(None, description="RIFE as a TorchScript file, see docs/video.md")
    framing: Framing = Field(
        "whole", description="image region for reward and encoder: whole, or a square around the robot (box)"
    )
    align_first_frame: bool = Field(
        False, description="scale and shift the reference so that its first frame matches the simulator's"
    )
    first_frame_size: int = Field(
        768, ge=64, le=2048, description="side in pixels of the first frame for generators that do not render the scene"
    )
    background: str = Field(
        "auto",
        pattern=r"^(auto|black|white|green|#[0-9a-fA-F]{6})$",
        description="background of that frame: black, white, green, #rrggbb, or auto: the one of the three with the "
        "largest distance from the robot's colors",
    )


class ObservationSettings(Section):
    """Terms of the observation, which can be switched on or off. The paper uses only the joints."""

    joints: bool = Field(
        True, description="joint positions relative to the standing pose (rad) and velocities (rad/s, scaled)"
    )
    gravity: bool = Field(True, description="direction of gravity in the torso frame")
    angular_velocity: bool = Field(True, description="angular velocity of the root in its own frame (rad/s, scaled)")
    linear_velocity: bool = Field(True, description="linear velocity of the root in its own frame (m/s)")
    height: bool = Field(True, description="height of the root relative to the standing pose (m, scaled)")
    heading: bool = Field(True, description="sine and cosine of the root's yaw, and its lateral offset (m)")
    last_action: bool = Field(True, description="previous action")
    phase: bool = Field(True, description="phase of the reference: completed fraction, and its sine and cosine")
    preview: int = Field(2, ge=0, description="number of future ticks of the reference; 0: none")
    preview_components: PositiveInt = Field(8, description="principal components of features and masks per future tick")
    terms: tuple[str, ...] = Field(
        (), description="names of custom terms of installed distributions (entry points nil.observation_terms)"
    )

    @field_validator("terms", mode="before")
    @classmethod
    def _from_string(cls, value: Any) -> Any:
        return _split_names(value)

    @model_validator(mode="after")
    def _not_empty(self) -> ObservationSettings:
        if not any(getattr(self, name) for name in type(self).model_fields if name != "preview_components"):
            raise ValueError("at least one term must be on")
        return self


class EnvironmentSettings(Section):
    """Physics, control and rates."""

    control: ControlMode = Field(
        "pd", description="pd: actions are offsets of PD targets; torque: actions are torques, as in the paper"
    )
    control_hz: PositiveFloat = Field(25.0, description="actions per second")
    tick_hz: PositiveFloat = Field(25.0, description="rewards and frames per second; must divide control_hz")
    timestep: float = Field(0.004, ge=1e-5, le=0.1, description="physics step in seconds")
    render_size: int = Field(128, ge=16, le=1024, description="side of the rendered frame in pixels")
    reset_noise: float = Field(0.01, ge=0, description="uniform noise on the joints at the start of an episode, rad")
    observation: ObservationSettings = ObservationSettings()

    @model_validator(mode="after")
    def _rates_divide(self) -> EnvironmentSettings:
        for label, ratio in {
            "control_hz must be a multiple of tick_hz": self.control_hz / self.tick_hz,
            "one control step must be a whole number of timesteps": 1.0 / (self.control_hz * self.timestep),
        }.items():
            if abs(ratio - round(ratio)) > 1e-6 or round(ratio) < 1:
                raise ValueError(f"{label}, and the ratio is {ratio:g}")
        return self

    @property
    def substeps(self) -> int:
        """Physics steps per control step."""
        return round(1.0 / (self.control_hz * self.timestep))

    @property
    def control_steps_per_tick(self) -> int:
        """Control steps per tick, k in the paper."""
        return round(self.control_hz / self.tick_hz)


class MotionSettings(Section):
    """Joint-space motion recovered from the video, and its use. Not in the paper."""

    source: Literal["video", "generator", "demonstrations", "none"] = Field(
        "video",
        description="video: recovered from its frames and masks; generator: the trajectory of a generator that renders "
        "the robot (an oracle, for comparisons); demonstrations: the first trajectory of those that the reward or the "
        "agent learns from; none: no motion, the settings below have no effect",
    )
    untrusted: Literal["ignore", "use"] = Field(
        "ignore", description="whether to use a recovered motion whose report says that it is untrusted"
    )
    base: bool = Field(
        True,
        description="PD targets are joint angles of the motion plus actions, instead of standing pose plus actions",
    )
    start_share: float = Field(
        0.8,
        ge=0,
        le=1,
        description="share of training episodes that start at a random time of the motion; the others start at rest at "
        "its beginning, as all evaluations do",
    )
    start_noise: float = Field(
        1.0,
        ge=0,
        description="scale of the noise on these starts; 1: 0.05 rad on joints, 0.05 rad on roll and pitch, "
        "0.1 rad on yaw, 0.2 m/s and rad/s on the root",
    )
    start_adaptive: bool = Field(True, description="start more often in parts of the motion where episodes fail")
    max_deviation: float | None = Field(
        None,
        gt=0,
        description="terminate a training episode like a fall when the root deviates from the motion by this height "
        "(m), or by a tilt of three times as many rad; unset: never",
    )


class SimulationSettings(Section):
    """Parallel simulation."""

    num_envs: PositiveInt = Field(2, description="number of parallel environments")
    workers: int = Field(1, ge=0, description="worker processes that simulate and render; 0: in the main process")


class TrainingSettings(Section):
    """Logging, evaluation and checkpoint intervals."""

    log_every: PositiveInt = Field(500, description="environment steps between lines of metrics.jsonl")
    eval_every: int = Field(
        5_000, ge=0, description="environment steps between evaluations of the deterministic policy; 0: never"
    )
    eval_episodes: PositiveInt = Field(2, description="episodes of each evaluation")
    checkpoint_every: PositiveInt = Field(5_000, description="environment steps between checkpoints")
    keep: PositiveInt = Field(2, description="number of newest checkpoints to keep, in addition to the best")
    encode_ticks: PositiveInt = Field(1, description="ticks whose frames are encoded in one batch")


class EvaluationSettings(Section):
    """Evaluation of policies and baselines."""

    episodes: PositiveInt = Field(
        5, description="episodes of the trained policy and of each baseline at the end of a run"
    )
    video_metrics: bool = Field(True, description="measure S_v and IoU in every evaluation, independent of the reward")
    target_speed: float | None = Field(
        None,
        description="target speed of the environment reward, m/s; unset: from the video's source, else from its motion",
    )
    falls: Literal["robot", "locomujoco"] = Field(
        "robot",
        description="what ends an episode for LocoMuJoCo's reward: falls of the robot, or LocoMuJoCo's limits too",
    )
    mocap: Path | None = Field(
        None, description="recording for the MoCap loss, of any file that the generator mocap reads; unset: none"
    )
    mocap_options: dict[str, Any] = Field(
        {}, description="options of the generator mocap, with which the recording is read, such as start or rate"
    )

    @field_validator("mocap")
    @classmethod
    def _found_from_anywhere(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()


class RunConfig(Section):
    """Complete configuration of a run. ``RunConfig()`` is the default ``nil run``.

    Component fields take a name or a table: ``RunConfig(robot="a1", agent={"name": "sac", "gamma": 0.95})``; a table
    without a name configures the default component.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {
        "environment.terminal_value": "reward.terminal_value",
        "simulation.environments": "simulation.num_envs",
    }

    skill: str = Field("walking", min_length=1, description="skill to learn: the verb of the prompt")
    prompt: str | None = Field(None, description="complete prompt, instead of equation 1 of the paper")
    negative_prompt: str = Field("", description="negative prompt, for generators that support one")
    seed: int = Field(0, ge=0, description="seed of all random numbers")
    steps: PositiveInt | None = Field(
        None, description="environment steps of training; unset: the default of the robot"
    )
    device: str = Field("auto", description="torch device: auto, cpu, cuda, cuda:1 ...")
    track: tuple[str, ...] = Field(
        (),
        description="trackers that send data to other machines: wandb, mlflow; local trackers need not be listed",
    )
    generator: Component = Component(name="gait")
    encoder: Component = Component(name="hog")
    segmenter: Component = Component(name="auto")
    robot: Component = Component(name="a1")
    agent: Component = Component(name="sac")
    video: VideoSettings = VideoSettings()
    environment: EnvironmentSettings = EnvironmentSettings()
    reward: Component = Component(name="imitation")
    motion: MotionSettings = MotionSettings()
    simulation: SimulationSettings = SimulationSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @model_validator(mode="before")
    @classmethod
    def _default_components(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        named = dict(value)
        for kind in KINDS:
            if isinstance(named.get(kind), Mapping):
                named[kind] = {"name": cls.model_fields[kind].default.name, **named[kind]}
        return named

    @field_validator("track", mode="before")
    @classmethod
    def _from_string(cls, value: Any) -> Any:
        return _split_names(value)

    @property
    def total_steps(self) -> int:
        """``steps``, which is always set before training."""
        assert self.steps is not None
        return self.steps

    def tree(self) -> Tree:
        """Nested plain values, without unset optional ones, so that they can be written as TOML."""
        return self.model_dump(mode="json", exclude_none=True)

    def to_toml(self) -> str:
        """The text of a ``--config`` file with this configuration."""
        return tomli_w.dumps(self.tree())
