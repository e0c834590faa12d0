"""The light face of a plugin: what is known of a component before any of its heavy modules is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

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
    FRAME_WISE = "frame_wise"  # an encoder whose clip embedding is its frames' features, concatenated
    LEARNS = "learns"  # an agent whose update() changes it
    EXPORTS = "exports"  # an agent whose network() is its policy as a torch module
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


@dataclass(frozen=True)
class Requirement:
    """A module that the implementation imports, and the line a person types to install it."""

    module: str
    install: str


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
    api: int = API_VERSION

    def can(self, capability: Capability) -> bool:
        """Whether the component offers an optional feature."""
        return capability in self.capabilities
