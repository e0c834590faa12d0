"""The columns of an evaluation's rows: heading, unit and meaning of every metric, and the tables they are shown in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

RESULTS = "Evaluation"
LOCOMUJOCO = "LocoMuJoCo's reward, summed over 400 steps"
MOCAP = "MoCap loss: distance from the recording"
REFERENCE = "Distance from the reference's own trajectory"
QUALITY = "Quality of the motion"
TABLES = (RESULTS, LOCOMUJOCO, MOCAP, REFERENCE, QUALITY)

Better = Literal["higher", "lower", "100"]
"""Which values of a metric are better; ``100``: those closer to 100."""


@dataclass(frozen=True)
class Column:
    """One metric.

    Attributes:
        table: where it is shown, of :data:`TABLES`.
        heading: in the table, without the unit.
        unit: empty for numbers without one.
        meaning: one line.
        digits: after the point.
        better: which values are better; None: neither, or it is no result.
        label: heading outside of its table; empty: the same.
    """

    table: str
    heading: str
    unit: str
    meaning: str
    digits: int = 3
    better: Better | None = "higher"
    label: str = ""

    @property
    def title(self) -> str:
        """Heading and unit."""
        return f"{self.heading} {self.unit}".strip()


_SUM = "sum of exp(-(v - v*)^2), of quadrupeds exp(-5 |v_xy - (v*, 0)|), scaled to 400 steps; missed steps count 0; v*"
_LOSS = "mean absolute joint error after the best constant shift and dynamic time warping"

COLUMNS: Mapping[str, Column] = {
    "return": Column(RESULTS, "return", "", "mean reward per tick of a full episode; ticks missed by a fall count 0"),
    "similarity": Column(RESULTS, "S_v", "", "S_v, unscaled, mean over the ticks of the episode"),
    "iou": Column(RESULTS, "IoU", "", "S_M, unscaled, mean over the ticks of the episode"),
    "speed": Column(RESULTS, "speed", "m/s", "mean forward speed over the steps of the episode"),
    "environment_reward": Column(
        RESULTS, "env reward", "", "exp(-(v - v_ref)^2), mean over a full episode; steps missed by a fall count 0"
    ),
    "length": Column(RESULTS, "length", "", "mean share of a full episode before it ended"),
    "falls": Column(RESULTS, "falls", "", "episodes that ended in a fall", 0, "lower"),
    "episodes": Column(RESULTS, "episodes", "", "episodes", 0, None),
    "locomujoco_1.25": Column(LOCOMUJOCO, "at 1.25", "m/s", f"{_SUM} = 1.25 m/s", 1, label="LocoMuJoCo at 1.25"),
    "locomujoco_1.0": Column(LOCOMUJOCO, "at 1.0", "m/s", f"{_SUM} = 1.0 m/s", 1, label="LocoMuJoCo at 1.0"),
    "locomujoco_0.5": Column(
        LOCOMUJOCO, "at 0.5", "m/s", f"{_SUM} = 0.5 m/s; quadrupeds only", 1, label="LocoMuJoCo at 0.5"
    ),
    "locomujoco_own": Column(
        LOCOMUJOCO, "at own", "", f"{_SUM} = the reference's own mean speed", 1, label="LocoMuJoCo at own speed"
    ),
    "locomujoco_own_speed": Column(LOCOMUJOCO, "own", "m/s", "the reference's own mean speed", 2, None),
    "locomujoco_falls": Column(
        LOCOMUJOCO,
        "falls",
        "",
        "share of episodes that broke one of LocoMuJoCo's limits",
        2,
        "lower",
        "LocoMuJoCo falls",
    ),
    "mocap_loss_deg": Column(MOCAP, "loss", "deg", f"{_LOSS}, against a recording", 2, "lower", "MoCap loss"),
    "mocap_warp": Column(
        MOCAP, "warp", "s", "mean time by which warping leaves the constant shift", 3, "lower", "MoCap warp"
    ),
    "mocap_shift_deg": Column(
        MOCAP,
        "shift only",
        "deg",
        "the same joint error after the best constant shift alone",
        2,
        "lower",
        "MoCap loss, shift only",
    ),
    "mocap_keybody_mm": Column(
        MOCAP, "key bodies", "mm", "distance of feet and limb ends in the root frame", 1, "lower", "MoCap key bodies"
    ),
    "reference_loss_deg": Column(
        REFERENCE,
        "loss",
        "deg",
        "as mocap_loss_deg, without a shift: both start at rest",
        2,
        "lower",
        "reference loss",
    ),
    "reference_warp": Column(
        REFERENCE, "warp", "s", "mean time by which warping leaves equal times", 3, "lower", "reference warp"
    ),
    "reference_shift_deg": Column(
        REFERENCE,
        "equal times",
        "deg",
        "the same joint error at equal times",
        2,
        "lower",
        "reference loss, equal times",
    ),
    "reference_keybody_mm": Column(
        REFERENCE,
        "key bodies",
        "mm",
        "distance of feet and limb ends in the root frame",
        1,
        "lower",
        "reference key bodies",
    ),
    "joint_acceleration": Column(
        QUALITY, "joints", "rad/s^2", "mean absolute acceleration of the joints", 1, "lower", "joint acceleration"
    ),
    "torque_change": Column(
        QUALITY, "torque", "N m/s", "mean absolute change of the joints' torques", 0, "lower", "torque change"
    ),
    "foot_slip": Column(QUALITY, "slip", "m/s", "mean horizontal speed of loaded feet", 3, "lower", "foot slip"),
    "cost_of_transport": Column(
        QUALITY, "CoT", "", "cost of transport: mechanical power / (m g v)", 2, "lower", "cost of transport"
    ),
    "asymmetry": Column(
        QUALITY, "asymmetry", "deg", "joint difference of both sides after the best constant lag", 2, "lower"
    ),
}
"""Columns of :func:`nil_core.evaluation.metrics.summarize` and their meaning."""


def tables(rows: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, headings and cells of the tables that show rows, one line for each policy; empty tables are left out."""
    found = []
    for title in TABLES:
        shown = [name for name, column in COLUMNS.items() if column.table == title and _any_has(rows, name)]
        if shown:
            cells = [[policy, *(_cell(name, row.get(name)) for name in shown)] for policy, row in rows.items()]
            found.append((title, ["policy", *(COLUMNS[name].title for name in shown)], cells))
    return found


def _any_has(rows: Mapping[str, Mapping[str, Any]], name: str) -> bool:
    return any(name in row for row in rows.values())


def _cell(name: str, value: float | None) -> str:
    return "-" if value is None else f"{value:.{COLUMNS[name].digits}f}"
