"""The one door for plugins: everything a plugin may use of the core, and nothing else.

(``nil_core.learning`` and ``nil_core.hosted`` are the two side doors, for torch agents and for hosted generators.)
Importing this module imports numpy, pydantic and pluggy only; the heavier helpers arrive when first touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nil_core.card import API_VERSION, Capability, ComponentCard, Kind, Options, Requirement
from nil_core.errors import (
    ConfigError,
    DataError,
    MachineError,
    NilError,
    NumericalError,
    PluginError,
    RunError,
)
from nil_core.interfaces import Agent, FrameWiseEncoder, Robot, Segmenter, VideoEncoder, VideoGenerator
from nil_core.types import (
    Actuator,
    AgentSetting,
    Camera,
    ControlMode,
    Doubles,
    FallLimits,
    Floats,
    Frames,
    GenerationRequest,
    Masks,
    Progress,
    Reference,
    RobotSpec,
    Scene,
    Transitions,
    Video,
    no_progress,
)

if TYPE_CHECKING:
    from nil_core.runs.media import read_video, write_video

_LAZY = {"read_video": "nil_core.runs.media", "write_video": "nil_core.runs.media"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"nil_core.api has no {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


__all__ = [
    "API_VERSION",
    "Actuator",
    "Agent",
    "AgentSetting",
    "Camera",
    "Capability",
    "ComponentCard",
    "ConfigError",
    "ControlMode",
    "DataError",
    "Doubles",
    "FallLimits",
    "Floats",
    "FrameWiseEncoder",
    "Frames",
    "GenerationRequest",
    "Kind",
    "MachineError",
    "Masks",
    "NilError",
    "NumericalError",
    "Options",
    "PluginError",
    "Progress",
    "Reference",
    "Requirement",
    "Robot",
    "RobotSpec",
    "RunError",
    "Scene",
    "Segmenter",
    "Transitions",
    "Video",
    "VideoEncoder",
    "VideoGenerator",
    "no_progress",
    "read_video",
    "write_video",
]
