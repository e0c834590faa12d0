"""The light face of a plugin: what is known of a component before any of its heavy modules is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

API_VERSION = 1
"""Rises only when a plugin written for the former number would break."""

Kind = Literal["generator", "encoder", "segmenter", "robot", "agent", "reward"]
KINDS: tuple[Kind, ...] = ("generator", "encoder", "segmenter", "robot", "agent", "reward")


class Capability(StrEnum):
    """Optional features. The core asks the card, never ``hasattr``."""

    OFFLINE = "offline"  # works without network, key or downloaded weights
    PAID = "paid"  # calling it costs money
    NEEDS_GPU = "needs_gpu"  # of no practical use on a CPU
    NEEDS_SCENE = "needs_scene"  # a generator that draws the simulator's scene itself
    PLAIN_BACKGROUND = "plain_background"  # a segmenter for robots before a plain background
    NEEDS_DRAWN_MASKS = "needs_drawn_masks"  # a segmenter that hands on the masks a needs_scene generator drew
    STATES_ONLY = "states_only"  # a reward of states alone: it needs no frames, masks or embeddings, and so no encoder
    FRAME_WISE = "frame_wise"  # an encoder whose clip embedding is its frames' features, concatenated
    LEARNS = "learns"  # an agent whose update() changes it; a reward that learns while the agent does
    EXPORTS = "exports"  # an agent whose network() is its policy as a torch module
    NEEDS_ACTIONS = "needs_actions"  # its demonstrations must have actions
    INEXACT_RESUME = "inexact_resume"  # an agent that saves its policy, but not all that it goes on learning from


class Options(BaseModel):
    """Base of every component's config: unknown keys are errors, values cannot change after validation.

    Attributes:
        RENAMED: old to new names of options, see :mod:`nil_core.renamed_keys`.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {}
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class RobotOptions(Options):
    """Options of a robot from a model file; a robot may add to them. What is unset is the robot's own."""

    self_collision: bool = Field(
        default=False,
        description="Let the robot's links collide with each other; off, they meet the floor only, which is faster.",
    )
    camera_distance: float | None = Field(None, gt=0, description="Camera from the point it looks at, m.")
    camera_height: float | None = Field(None, description="The point that the camera looks at above the floor, m.")
    camera_azimuth: float | None = Field(None, description="Degrees; 90 sees the robot walk to the right.")
    camera_elevation: float | None = Field(None, ge=-90, le=90, description="Degrees; negative looks down.")


class MenagerieOptions(RobotOptions):
    """Options of a robot that MuJoCo Menagerie has too."""

    menagerie: bool = Field(
        default=False,
        description="Use the model that the package mujoco-menagerie has downloaded, not the one installed with nil.",
    )


FROM_DEMONSTRATIONS: Mapping[str, Any] = {
    "motion.source": "none",
    "motion.base": False,
    "environment.observation.preview": 0,
    "environment.observation.phase": False,
}
"""``config_defaults`` of what learns from demonstrations: it uses nothing of the reference."""


class AdversarialOptions(Options):
    """Options of a reward that learns to tell the agent's transitions from demonstrated ones; a reward may add some."""

    demonstrations: Path = Field(description="Demonstrations (nil demos make, nil record) or a recording of the robot.")
    task_share: float = Field(
        0.0, ge=0, le=1, description="Share of the task reward exp(-(v - target_speed)^2) of the forward speed v."
    )
    target_speed: float = Field(1.0, description="Forward speed of the task reward, m/s.")
    style_scale: float = Field(1.0, gt=0, description="Factor of the learned part of the reward.")
    terminal_value: float = Field(0.0, description="Added to the reward of the transition that falls.")
    hidden: tuple[PositiveInt, ...] = Field((256, 256), min_length=1, description="Widths of the hidden layers.")
    learning_rate: float = Field(1e-4, gt=0, description="Of Adam, for the discriminator.")
    weight_decay: float = Field(0.0, ge=0, description="Half of it times the squared weights is added to the loss.")
    batch_size: PositiveInt = Field(256, description="Transitions of each side in a gradient step.")
    update_every: PositiveInt = Field(64, description="Ticks of all environments between updates.")
    gradient_steps: PositiveInt = Field(2, description="Gradient steps of an update.")
    replay_size: PositiveInt = Field(100_000, description="Newest transitions of the agent that are sampled.")
    threads: PositiveInt = Field(1, description="CPU threads.")


@dataclass(frozen=True)
class Requirement:
    """A module that the implementation imports, and the line a person types to install it."""

    module: str
    install: str


LEARNING_REQUIREMENTS = tuple(
    Requirement(module, 'pip install "nil-core[learning]"') for module in ("torch", "safetensors")
)
"""What :mod:`nil_core.learning` imports."""


@dataclass(frozen=True)
class Weights:
    """Pretrained weights that a component can load, see :mod:`nil_core.weights`.

    Attributes:
        name: the short one, for the component's option ``weights``.
        repository: its id on the hub, ``owner/model``.
        license: of the weights, as an SPDX identifier where there is one.
        megabytes: of the download.
        summary: what tells it from the others.
        files: patterns of the files that are needed; empty: all, but no older format beside safetensors.
    """

    name: str
    repository: str
    license: str
    megabytes: int
    summary: str = ""
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class ComponentCard:
    """Stands in a plugin's ``__init__.py``, which must import nothing heavier than pydantic.

    Attributes:
        kind: which of the six registries it belongs to.
        summary: one line for ``nil plugins list``.
        target: ``package.module:Class``; called with the validated config (an agent: also its
            ``AgentSpec``, a reward: its ``RewardSpec``).
        config: the pydantic class of its options; derive it from :class:`Options`.
        requires: heavy modules, checked before the target is imported.
        capabilities: see :class:`Capability`.
        license: license of weights or data that the component loads, where it differs from the code's.
        price: what a paid component costs, and when that was true; the estimate before paying is exact.
        keys: environment variables of the API keys that the component reads; ``nil doctor`` says which are set.
        weights: what ``nil models`` shows and fetches. A component that has some has an option ``weights``: one of
            their names, any id of the hub, a local folder, or :data:`nil_core.weights.RANDOM_TINY`.
        prompt_template: a generator's own wording, filled in as ``str.format`` does with ``{robot}``, ``{skill}`` and
            ``{prompt}`` (equation 1 of the paper). Empty: equation 1 as it is. A user's sentence is never wrapped.
        wraps: pairs of an option and a kind: the option names another component, which this one builds with
            :func:`nil_core.api.build`. That is then looked for before a run, and its version and source count.
        config_defaults: dotted config key to value, for settings that follow from choosing the component: they take
            the place of the defaults and of a preset's, and are shown as such; whoever sets a key decides.
        api: the ``API_VERSION`` it was written for.
    """

    kind: Kind
    summary: str
    target: str
    config: type[Options] = Options
    requires: tuple[Requirement, ...] = ()
    capabilities: frozenset[Capability] = frozenset()
    license: str = ""
    price: str = ""
    keys: tuple[str, ...] = ()
    weights: tuple[Weights, ...] = ()
    prompt_template: str = ""
    wraps: tuple[tuple[str, Kind], ...] = ()
    config_defaults: Mapping[str, Any] = field(default_factory=dict)
    api: int = API_VERSION

    def can(self, capability: Capability) -> bool:
        """Whether the component offers an optional feature."""
        return capability in self.capabilities
