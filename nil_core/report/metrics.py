"""Metrics of a final evaluation that a report shows: name, unit, and which direction is better."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Better = Literal["higher", "lower", "100"]


@dataclass(frozen=True)
class Metric:
    """A column of the table.

    Attributes:
        key: in ``policies.trained`` of ``summary.json``, or a name of :data:`DERIVED`.
        label: heading.
        unit: empty if it has none.
        better: which values are better; ``100``: closer to 100 %.
        meaning: one line.
        digits: after the point.
    """

    key: str
    label: str
    unit: str
    better: Better
    meaning: str
    digits: int = 3

    @property
    def heading(self) -> str:
        """Label and unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def score(self, value: float) -> float:
        """A number that is higher for a better value."""
        return {"higher": value, "lower": -value, "100": -abs(value - 100)}[self.better]

    def shown(self, value: float) -> str:
        """The value as text, without unit."""
        return f"{round(value, self.digits) + 0.0:.{self.digits}f}"


METRICS = (
    Metric("return", "return", "", "higher", "mean reward per tick of a full episode"),
    Metric("return_over_zero", "over standing", "%", "higher", "return relative to standing still, minus 100 %", 0),
    Metric("similarity", "S_v", "", "higher", "video similarity, unscaled"),
    Metric("iou", "IoU", "", "higher", "mask similarity S_M, unscaled"),
    Metric("speed", "speed", "m/s", "higher", "mean forward speed"),
    Metric("speed_share", "of reference speed", "%", "100", "forward speed relative to the reference's", 0),
    Metric("environment_reward", "env reward", "", "higher", "exp(-(v - v_ref)^2), mean over a full episode"),
    Metric("length", "length", "", "higher", "completed share of a full episode"),
    Metric("falls", "falls", "episodes", "lower", "evaluation episodes that ended in a fall", 1),
    Metric("locomujoco_1.25", "LocoMuJoCo 1.25", "of 400", "higher", "LocoMuJoCo's reward for 1.25 m/s", 1),
    Metric("locomujoco_1.0", "LocoMuJoCo 1.0", "of 400", "higher", "LocoMuJoCo's reward for 1.0 m/s", 1),
    Metric("locomujoco_own", "LocoMuJoCo own", "of 400", "higher", "its reward for the reference's speed", 1),
    Metric("mocap_loss_deg", "MoCap loss", "deg", "lower", "joint angles against MoCap, time-warped", 2),
    Metric("mocap_shift_deg", "MoCap, shifted", "deg", "lower", "joint angles against MoCap at the best shift", 2),
    Metric("mocap_keybody_mm", "MoCap bodies", "mm", "lower", "key-body positions against MoCap", 1),
    Metric("mocap_warp", "MoCap warp", "", "lower", "amount of time-warping against MoCap"),
    Metric("joint_acceleration", "joint acc", "rad/s^2", "lower", "joint acceleration", 1),
    Metric("torque_change", "torque change", "", "lower", "change of torque"),
    Metric("foot_slip", "foot slip", "m/s", "lower", "slip speed of feet on the floor"),
    Metric("cost_of_transport", "cost of transport", "", "lower", "energy per weight and distance"),
    Metric("asymmetry", "asymmetry", "", "lower", "difference between left and right"),
)
"""All metrics, in the order of columns."""

CURVES = ("return", "similarity", "iou", "speed", "locomujoco_1.25")
"""Metrics whose learning curves are drawn, if the run measured them while it learned."""

_OTHER = ("episodes",)
_SPREAD = ("_std", "_ci95")


def number(value: Any) -> float | None:
    """A finite number, or None."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable else None


def table(value: Any) -> Mapping[str, Any]:
    """A JSON table; empty if the value is something else."""
    return value if isinstance(value, dict) else {}


def trained(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    """The trained policy's row of ``summary.json``."""
    return table(table(summary.get("policies")).get("trained"))


def _over_zero(summary: Mapping[str, Any]) -> float | None:
    gain = number(summary.get("return_over_zero"))
    return None if gain is None else 100 * gain


def _speed_share(summary: Mapping[str, Any]) -> float | None:
    speed, reference = number(trained(summary).get("speed")), number(summary.get("reference_speed"))
    return None if speed is None or not reference else 100 * speed / reference


DERIVED: Mapping[str, Callable[[Mapping[str, Any]], float | None]] = {
    "return_over_zero": _over_zero,
    "speed_share": _speed_share,
}
"""Metrics that are computed from several numbers of ``summary.json``."""


def measured(summary: Mapping[str, Any]) -> dict[str, float]:
    """Key to value of the :data:`METRICS` that a summary has."""
    row = trained(summary)
    keys = [metric.key for metric in METRICS]
    found = {key: DERIVED[key](summary) if key in DERIVED else number(row.get(key)) for key in keys}
    return {key: value for key, value in found.items() if value is not None}


def unknown(summary: Mapping[str, Any]) -> set[str]:
    """Numeric keys of the trained policy's row that are in no table, because their direction is unknown."""
    known = {metric.key for metric in METRICS} | set(_OTHER)
    row = trained(summary)
    return {key for key in row if key not in known and not key.endswith(_SPREAD) and number(row[key]) is not None}
