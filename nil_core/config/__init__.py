"""Run configuration: one validated tree of values, with the origin of each value.

Later sources override earlier ones: defaults < preset < TOML file < options < ``--set a.b=c``. Options of components
(``[agent] gamma = 0.9``) are not checked here; the registry validates them with the component's own class.
"""

from __future__ import annotations

from nil_core.config.resolution import (
    Resolved,
    explain,
    load_preset,
    preset_names,
    resolve,
    validate,
    with_changes,
)
from nil_core.config.settings import (
    Component,
    ControlMode,
    EnvironmentSettings,
    EvaluationSettings,
    MotionSettings,
    ObservationSettings,
    RunConfig,
    Section,
    SimulationSettings,
    TrainingSettings,
    VideoSettings,
)
from nil_core.config.tree import (
    flatten,
    parse_set,
)

__all__ = [
    "Component",
    "ControlMode",
    "EnvironmentSettings",
    "EvaluationSettings",
    "MotionSettings",
    "ObservationSettings",
    "Resolved",
    "RunConfig",
    "Section",
    "SimulationSettings",
    "TrainingSettings",
    "VideoSettings",
    "explain",
    "flatten",
    "load_preset",
    "parse_set",
    "preset_names",
    "resolve",
    "validate",
    "with_changes",
]
