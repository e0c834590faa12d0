"""What a run is made of: one validated tree, and where each of its values came from.

Values are laid over each other: defaults < preset < TOML file < options < ``--set a.b=c``. Options of components
(``[agent] gamma = 0.9``) pass through here unchecked; the registry checks them against the component's own class.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import tomli_w
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from nil_core.card import KINDS
from nil_core.errors import ConfigError
from nil_core.presets import PRESETS
from nil_core.renamed_keys import renamed_key_error
from nil_core.types import ControlMode

Tree = dict[str, Any]
NonNegative = Field(ge=0)
Framing = Literal["whole", "box"]


class Section(BaseModel):
    """A table of the config: unknown keys are errors, values are fixed once validated.

    Attributes:
        RENAMED: old to new keys, see :mod:`nil_core.renamed_keys`.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {}
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _words(value: Any) -> Any:
    """``a, b`` as a list of words; anything else as it is."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


class Component(Section):
    """One of N: the component's name, and its own options beside it."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    name: str = Field(description="the word on the command line; see `nil plugins list`")

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> Tree:
        """The component's own options, as given."""
        return dict(self.model_extra or {})


class VideoSettings(Section):
    """The reference video."""

    seconds: PositiveFloat | None = Field(
        None,
        description="length asked of the generator, and so of an episode; unset: the robot's own, 4 on two legs, "
        "2.5 on more",
    )
    alignment: Literal["hold", "blend", "flow", "rife"] = Field(
        "hold",
        description="how frames are laid on ticks: hold the last one (paper v1), or draw what lies between: blend "
        "(cross-fade), flow (optical flow), rife (paper v2, needs rife_weights)",
    )
    rife_weights: Path | None = Field(None, description="RIFE as a TorchScript file, see docs/video.md")
    framing: Framing = Field(
        "whole", description="what reward and encoder see of reference and rollout: all, or a square about the robot"
    )
    align_first_frame: bool = Field(
        False, description="scale and shift the reference so that its robot begins where the simulator's stands"
    )
    first_frame_size: int = Field(
        768, ge=64, le=2048, description="side in pixels of the first frame that generators get which do not draw it"
    )
    background: str = Field(
        "auto",
        pattern=r"^(auto|black|white|green|#[0-9a-fA-F]{6})$",
        description="around the robot in that frame: black, white, green, #rrggbb, or auto: of the three, the farthest "
        "from the robot's own colors",
    )


class ObservationSettings(Section):
    """What the agent sees of the state; each part is a switch. The paper's agent sees the joints alone."""

    joints: bool = Field(True, description="joint positions about the stand (rad) and velocities (rad/s, scaled)")
    gravity: bool = Field(True, description="direction of gravity in the torso's frame")
    angular_velocity: bool = Field(True, description="of the root in its own frame (rad/s, scaled)")
    linear_velocity: bool = Field(True, description="of the root in its own frame (m/s)")
    height: bool = Field(True, description="of the root above its stand (m, scaled)")
    heading: bool = Field(True, description="sine and cosine of the root's yaw, and its sideways drift (m)")
    last_action: bool = Field(True, description="the action before")
    phase: bool = Field(True, description="time in the reference: fraction, and its sine and cosine")
    preview: int = Field(2, ge=0, description="coming ticks of the reference that are shown; 0 for none")
    preview_components: PositiveInt = Field(8, description="principal components per shown tick, of features and masks")
    terms: tuple[str, ...] = Field(
        (), description="further terms, of other distributions (entry points nil.observation_terms), by name"
    )

    @field_validator("terms", mode="before")
    @classmethod
    def _from_words(cls, value: Any) -> Any:
        return _words(value)

    @model_validator(mode="after")
    def _sees_something(self) -> ObservationSettings:
        if not any(getattr(self, name) for name in type(self).model_fields if name != "preview_components"):
            raise ValueError("at least one part must be on")
        return self


class EnvironmentSettings(Section):
    """Physics, control and time."""

    control: ControlMode = Field("pd", description="pd: targets about the stand; torque: the paper's")
    control_hz: PositiveFloat = Field(25.0, description="actions a second")
    tick_hz: PositiveFloat = Field(25.0, description="rewards (and frames) a second; divides control_hz")
    timestep: float = Field(0.004, ge=1e-5, le=0.1, description="physics step in seconds")
    render_size: int = Field(128, ge=16, le=1024, description="side of the rendered frame in pixels")
    reset_noise: float = Field(0.01, ge=0, description="rad of uniform noise on the joints at the start of an episode")
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
        """Physics steps in a control step."""
        return round(1.0 / (self.control_hz * self.timestep))

    @property
    def control_steps_per_tick(self) -> int:
        """The paper's k."""
        return round(self.control_hz / self.tick_hz)


class MotionSettings(Section):
    """The robot's motion in joint space, recovered from the video, and what a run builds on it. Not in the paper."""

    source: Literal["video", "generator", "none"] = Field(
        "video",
        description="video: recovered from its frames and masks; generator: the trajectory that a drawing generator "
        "knows (an oracle, for comparisons); none: nothing is recovered, and nothing below applies",
    )
    untrusted: Literal["ignore", "use"] = Field(
        "ignore", description="what to do with a recovered motion that its own report does not trust"
    )
    base: bool = Field(
        True, description="PD targets are the motion's joints plus actions, not the standing pose plus actions"
    )
    start_share: float = Field(
        0.8,
        ge=0,
        le=1,
        description="share of training episodes that start anywhere in the motion; the others start at rest at its "
        "beginning, as evaluations always do",
    )
    start_noise: float = Field(
        1.0,
        ge=0,
        description="scale of the noise on those starts; 1: 0.05 rad on joints, 0.05 rad of roll and pitch, "
        "0.1 rad of yaw, 0.2 m/s and rad/s of the root",
    )
    start_adaptive: bool = Field(True, description="start more often in the parts where episodes fail")
    max_deviation: float | None = Field(
        None,
        gt=0,
        description="end a training episode as a fall does when the root's height leaves the motion by so many m, or "
        "its tilt by three times as many rad; unset: never",
    )


class SimulationSettings(Section):
    """How much simulates at once."""

    num_envs: PositiveInt = Field(2, description="environments that act at once")
    workers: int = Field(1, ge=0, description="processes that simulate and render; 0: in this process")


class TrainingSettings(Section):
    """When the run looks at itself, and when it saves."""

    log_every: PositiveInt = Field(500, description="environment steps between lines of metrics.jsonl")
    eval_every: int = Field(5_000, ge=0, description="environment steps between evaluations of the mode; 0: never")
    eval_episodes: PositiveInt = Field(2, description="episodes of such an evaluation")
    checkpoint_every: PositiveInt = Field(5_000, description="environment steps between checkpoints")
    keep: PositiveInt = Field(2, description="newest checkpoints to keep, beside the best")
    encode_ticks: PositiveInt = Field(1, description="ticks whose frames are encoded in one batch")


class EvaluationSettings(Section):
    """The table at the end of a run."""

    episodes: PositiveInt = Field(5, description="episodes of the trained policy and of each baseline")
    video_metrics: bool = Field(
        True, description="measure S_v and IoU in every evaluation, whatever the reward is made of"
    )
    target_speed: float | None = Field(
        None, description="m/s for the environment reward; default: what the video's source knows, else its motion"
    )


class RunConfig(Section):
    """Everything a run is determined by. ``RunConfig()`` is the default ``nil run``.

    Component fields take a name or a table: ``RunConfig(robot="a1", agent={"name": "sac", "gamma": 0.95})``; a table
    without a name is of the default component.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {
        "environment.terminal_value": "reward.terminal_value",
        "simulation.environments": "simulation.num_envs",
    }

    skill: str = Field("walking", min_length=1, description="what the robot shall do: the verb of the prompt")
    prompt: str | None = Field(None, description="the whole sentence, instead of the paper's equation 1")
    negative_prompt: str = Field("", description="what the video shall not show, for generators that take such a text")
    seed: int = Field(0, ge=0, description="seeds everything random")
    steps: PositiveInt | None = Field(
        None, description="environment steps to learn for; unset: as many as the robot's spec says"
    )
    device: str = Field("auto", description="where torch works: auto, cpu, cuda, cuda:1 ...")
    track: tuple[str, ...] = Field(
        (),
        description="trackers that tell others of the run: wandb, mlflow; what stays on this machine needs no naming",
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
    def _from_words(cls, value: Any) -> Any:
        return _words(value)

    @property
    def total_steps(self) -> int:
        """``steps``, which a run has settled before it learns."""
        assert self.steps is not None
        return self.steps

    def tree(self) -> Tree:
        """As nested plain values; unset optionals are left out, so that it can be written as TOML."""
        return self.model_dump(mode="json", exclude_none=True)

    def to_toml(self) -> str:
        """The text of a ``--config`` file that gives this run again."""
        return tomli_w.dumps(self.tree())


@dataclass(frozen=True)
class Resolved:
    """A config, and for every dotted key that was set somewhere, where."""

    config: RunConfig
    origins: Mapping[str, str]

    def origin(self, key: str) -> str:
        """Where the value of a dotted key came from."""
        return self.origins.get(key, "default")


def resolve(
    preset: str = "quickstart",
    file: Path | None = None,
    options: Mapping[str, Any] | None = None,
    sets: Iterable[str] = (),
) -> Resolved:
    """Lay the sources over each other and validate.

    Args:
        preset: a key of :data:`nil_core.presets.PRESETS`.
        file: TOML, tables as in :class:`RunConfig`.
        options: dotted key to value, as from command-line options; None values are skipped.
        sets: ``a.b=c`` strings; the value is read as TOML, else as a plain string.

    Raises:
        ConfigError: an unknown preset, key or file, or a value that does not fit.
    """
    if preset not in PRESETS:
        raise ConfigError(f"there is no preset {preset!r}", f"presets: {', '.join(PRESETS)}")
    layers: list[tuple[str, Tree]] = [(f"preset {preset}", PRESETS[preset])]
    if file is not None:
        layers.append((str(file), _read_toml(file)))
    given = {key: value for key, value in (options or {}).items() if value is not None}
    layers.append(("option", _unflatten(_spell_names(given))))
    layers.extend(("--set", _unflatten(dict([parse_set(text)]))) for text in sets)
    tree: Tree = {}
    origins: dict[str, str] = {}
    for origin, layer in layers:
        _lay_over(tree, _spell_out(layer), origin, origins)
    config = validate(tree)
    _check_base(config, origins)
    return Resolved(config, origins)


def preset_names() -> tuple[str, ...]:
    """Every preset that :func:`load_preset` takes; the first is the default."""
    return tuple(PRESETS)


def load_preset(name: str, changes: Mapping[str, Any] | None = None) -> RunConfig:
    """The config that a preset stands for: ``nil run --preset NAME`` as a value.

    Args:
        name: one of :func:`preset_names`.
        changes: dotted config key to value, laid over it: ``{"robot": "g1", "agent.gamma": 0.95}``.

    Raises:
        ConfigError: an unknown preset or key, or a value that does not fit.
    """
    return resolve(name, options=changes).config


def _check_base(config: RunConfig, origins: Mapping[str, str]) -> None:
    """Under torque control the motion's joints are no base of the actions: refused where somebody asks for it."""
    asked = origins.get("motion.base") in ("option", "--set")
    if asked and config.motion.base and config.environment.control == "torque":
        raise ConfigError(
            "motion.base needs PD control: a torque is nothing that could be added to a joint's angle",
            "--set environment.control=pd, or leave out motion.base",
        )


def validate(tree: Mapping[str, Any]) -> RunConfig:
    """A config from nested plain values.

    Raises:
        ConfigError: naming the key, what is wrong, and the nearest key that exists.
    """
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        raise explain(error, RunConfig) from None


def with_changes(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    """A config with some values changed, by dotted key; validated again.

    Raises:
        ConfigError: as :func:`validate`.
    """
    tree, origins = config.tree(), dict[str, str]()
    _lay_over(tree, _spell_out(_unflatten(changes)), "--set", origins)
    return validate(tree)


def explain(error: ValidationError, model: type[BaseModel], prefix: str = "") -> ConfigError:
    """pydantic's first complaint as one line a person can act on; a renamed key comes before all others."""
    if (renamed := renamed_key_error(error, model, prefix)) is not None:
        return renamed
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    key = prefix + ".".join(path)
    if first["type"] == "extra_forbidden":
        known = list(_section_at(model, path[:-1]).model_fields)
        near = difflib.get_close_matches(path[-1], known, n=1)
        hint = f"did you mean {prefix}{'.'.join([*path[:-1], near[0]])}?" if near else f"keys: {', '.join(known)}"
        return ConfigError(f"there is no config key {key!r}", hint)
    message = first["msg"].removeprefix("Value error, ")
    got = f", got {first['input']!r}" if not isinstance(first["input"], dict | BaseModel) else ""
    return ConfigError(f"{key or 'config'}: {message[0].lower() + message[1:]}{got}", "see `nil config show`")


def _section_at(model: type[BaseModel], path: list[str]) -> type[BaseModel]:
    for part in path:
        annotation = model.model_fields[part].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        model = annotation
    return model


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _unflatten(flat: Mapping[str, Any]) -> Tree:
    tree: Tree = {}
    for dotted, value in flat.items():
        *tables, key = dotted.split(".")
        node = tree
        for table in tables:
            node = node.setdefault(table, {})
        node[key] = value
    return tree


def _spell_names(flat: Mapping[str, Any]) -> Tree:
    """``agent`` and ``agent.gamma`` may stand side by side in one layer."""
    return {f"{k}.name" if k in KINDS and isinstance(v, str) else k: v for k, v in flat.items()}


def _spell_out(layer: Tree) -> Tree:
    """``robot = "a1"`` as the table it stands for."""
    return {k: {"name": v} if k in KINDS and isinstance(v, str) else v for k, v in layer.items()}


def _lay_over(tree: Tree, layer: Tree, origin: str, origins: dict[str, str], prefix: str = "") -> None:
    for key, value in layer.items():
        dotted = prefix + key
        if not isinstance(value, Mapping):
            tree[key] = value
            origins[dotted] = origin
            continue
        below = tree.get(key)
        if not isinstance(below, dict):
            below = tree[key] = {}
        if not prefix and key in KINDS and value.get("name", below.get("name")) != below.get("name"):
            below.clear()  # options of another component say nothing about this one
            for stale in [k for k in origins if k.startswith(dotted + ".")]:
                del origins[stale]
        if not prefix and key in KINDS and "name" not in value and "name" not in below:
            below["name"] = RunConfig.model_fields[key].default.name
        _lay_over(below, dict(value), origin, origins, dotted + ".")


def _read_toml(file: Path) -> Tree:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the config {file}: {error.strerror or error}", "check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}", "`nil config show --toml` prints one to start from") from None


def parse_set(text: str) -> tuple[str, Any]:
    """Key and value of ``a.b=c``; the value is read as TOML, else as a plain string."""
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not all(key.split(".")):
        raise ConfigError(f"--set {text!r} is not of the form a.b=c", "for example: --set reward.iou=0")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value.strip()
