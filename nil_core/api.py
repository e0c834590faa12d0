"""The public interface for plugins: everything a plugin may use of the core, and nothing else.

(Beside it: ``nil_core.learning`` for torch agents, ``nil_core.hosted`` for hosted generators, ``nil_core.weights``
for what loads pretrained weights.)
Importing this module imports numpy, pydantic and pluggy only; the heavier helpers arrive when first touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nil_core.card import (
    API_VERSION,
    FROM_DEMONSTRATIONS,
    LEARNING_REQUIREMENTS,
    AdversarialOptions,
    Capability,
    ComponentCard,
    Kind,
    MenagerieOptions,
    Options,
    Requirement,
    RobotOptions,
    Weights,
)
from nil_core.config import ControlMode
from nil_core.errors import (
    ConfigError,
    DataError,
    MachineError,
    NilError,
    NumericalError,
    PluginError,
    RunError,
)
from nil_core.interfaces import (
    Agent,
    ExportingAgent,
    FrameWiseEncoder,
    LearnedReward,
    PaidGenerator,
    Reward,
    Robot,
    Segmenter,
    TermRow,
    VideoEncoder,
    VideoGenerator,
)
from nil_core.lazy_names import lazy_names
from nil_core.payment import Estimate
from nil_core.tick import Tick
from nil_core.types import (
    Actuator,
    AgentSpec,
    Camera,
    Color,
    CropBox,
    Doubles,
    FallLimits,
    Floats,
    Frames,
    GenerationRequest,
    Masks,
    Progress,
    Reference,
    RewardSpec,
    RobotSpec,
    Scene,
    Transitions,
    Video,
    no_progress,
    usable_range,
)

if TYPE_CHECKING:
    from nil_core.components import build
    from nil_core.config import RunConfig, load_preset, preset_names
    from nil_core.demonstrations.features import StateFeatures
    from nil_core.demonstrations.files import check_demonstrations, read_demonstrations, write_demonstrations
    from nil_core.demonstrations.recordings import read_any
    from nil_core.demonstrations.trajectories import Demonstrations
    from nil_core.devices import find_device
    from nil_core.measurements import Measurements
    from nil_core.registry import card
    from nil_core.reward.terms import RewardTerm
    from nil_core.sim.defaults import plain_default
    from nil_core.sim.inertia import balance_inertia
    from nil_core.sim.observation import ObservationContext, ObservationTerm
    from nil_core.sim.packaged_robot import (
        JointDynamics,
        ModelFile,
        PackagedRobot,
        RobotData,
        choose_camera,
        make_actuators,
    )
    from nil_core.sim.robot_files import read_mjcf, touch_floor_only
    from nil_core.sim.urdf import parse_xml, read_urdf
    from nil_core.video.crop import central_square, letterbox
    from nil_core.video.files import read_video, write_video

_LAZY = {
    "Demonstrations": "nil_core.demonstrations.trajectories",
    "StateFeatures": "nil_core.demonstrations.features",
    "check_demonstrations": "nil_core.demonstrations.files",
    "read_any": "nil_core.demonstrations.recordings",
    "read_demonstrations": "nil_core.demonstrations.files",
    "write_demonstrations": "nil_core.demonstrations.files",
    "JointDynamics": "nil_core.sim.packaged_robot",
    "ModelFile": "nil_core.sim.packaged_robot",
    "PackagedRobot": "nil_core.sim.packaged_robot",
    "RobotData": "nil_core.sim.packaged_robot",
    "choose_camera": "nil_core.sim.packaged_robot",
    "make_actuators": "nil_core.sim.packaged_robot",
    "Measurements": "nil_core.measurements",
    "ObservationContext": "nil_core.sim.observation",
    "ObservationTerm": "nil_core.sim.observation",
    "RewardTerm": "nil_core.reward.terms",
    "RunConfig": "nil_core.config",
    "build": "nil_core.components",
    "card": "nil_core.registry",
    "balance_inertia": "nil_core.sim.inertia",
    "find_device": "nil_core.devices",
    "central_square": "nil_core.video.crop",
    "letterbox": "nil_core.video.crop",
    "load_preset": "nil_core.config",
    "preset_names": "nil_core.config",
    "plain_default": "nil_core.sim.defaults",
    "parse_xml": "nil_core.sim.urdf",
    "read_mjcf": "nil_core.sim.robot_files",
    "read_urdf": "nil_core.sim.urdf",
    "read_video": "nil_core.video.files",
    "touch_floor_only": "nil_core.sim.robot_files",
    "write_video": "nil_core.video.files",
}

__getattr__ = lazy_names(__name__, _LAZY)

__all__ = [
    "API_VERSION",
    "FROM_DEMONSTRATIONS",
    "LEARNING_REQUIREMENTS",
    "Actuator",
    "AdversarialOptions",
    "Agent",
    "AgentSpec",
    "Camera",
    "Capability",
    "Color",
    "ComponentCard",
    "ConfigError",
    "ControlMode",
    "CropBox",
    "DataError",
    "Demonstrations",
    "Doubles",
    "Estimate",
    "ExportingAgent",
    "FallLimits",
    "Floats",
    "FrameWiseEncoder",
    "Frames",
    "GenerationRequest",
    "JointDynamics",
    "Kind",
    "LearnedReward",
    "MachineError",
    "Masks",
    "Measurements",
    "MenagerieOptions",
    "ModelFile",
    "NilError",
    "NumericalError",
    "ObservationContext",
    "ObservationTerm",
    "Options",
    "PackagedRobot",
    "PaidGenerator",
    "PluginError",
    "Progress",
    "Reference",
    "Requirement",
    "Reward",
    "RewardSpec",
    "RewardTerm",
    "Robot",
    "RobotData",
    "RobotOptions",
    "RobotSpec",
    "RunConfig",
    "RunError",
    "Scene",
    "Segmenter",
    "StateFeatures",
    "TermRow",
    "Tick",
    "Transitions",
    "Video",
    "VideoEncoder",
    "VideoGenerator",
    "Weights",
    "balance_inertia",
    "build",
    "card",
    "central_square",
    "check_demonstrations",
    "choose_camera",
    "find_device",
    "letterbox",
    "load_preset",
    "make_actuators",
    "no_progress",
    "parse_xml",
    "plain_default",
    "preset_names",
    "read_any",
    "read_demonstrations",
    "read_mjcf",
    "read_urdf",
    "read_video",
    "touch_floor_only",
    "usable_range",
    "write_demonstrations",
    "write_video",
]
