"""LocoMuJoCo's reward of the forward speed and its limits of falling (version 0.4).

Humanoids: ``exp(-(v - v*)^2)`` of the root's forward velocity in the world. Quadrupeds: ``exp(-5 |v_xy - (v*, 0)|)``,
with the lateral velocity and without the square. A step is at most 1; the sum is over 400 steps of 100 Hz, 4 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation

from nil_core.evaluation.rollout import Episode
from nil_core.evaluation.step_records import StepRecords
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles

FULL_STEPS = 400
"""Steps of 100 Hz that the sum is scaled to."""

SPEEDS = {"locomujoco_1.25": 1.25, "locomujoco_1.0": 1.0}
"""Target speeds of every robot, m/s: LocoMuJoCo's own for walking humanoids, and one closer to slower recordings."""

QUADRUPED_SPEEDS = {"locomujoco_0.5": 0.5}
"""LocoMuJoCo's own for the A1, m/s."""

OWN_SPEED = "locomujoco_own"
"""Column of the sum at the reference's own mean speed."""

QUADRUPED_SHARPNESS = 5.0  # s/m
QUADRUPED_FEET = 4

ROOT_HEIGHTS = {"h1": 1.045, "g1": 0.755, "talos": 1.085, "a1": 0.43}
"""M, what LocoMuJoCo's heights are relative to; of other robots it is the root's height in the standing pose."""

Interval = tuple[float, float]
ANYTHING: Interval = (-np.inf, np.inf)


@dataclass(frozen=True)
class FallBounds:
    """LocoMuJoCo's limits, beyond which a robot has fallen.

    Attributes:
        height: m, of the root above the floor.
        tilt: rad, to the back; negative to the front.
        list: rad, to the right.
        rotation: rad, to the left.
        joints: joint name to its own limits, rad.
    """

    height: Interval
    tilt: Interval
    list: Interval
    rotation: Interval
    joints: Mapping[str, Interval] = field(default_factory=dict)


def is_quadruped(scene: RobotScene) -> bool:
    """Whether a robot stands on four feet, so that LocoMuJoCo's form for quadrupeds applies."""
    return len({int(scene.model.geom_bodyid[scene.model.geom(name).id]) for name in scene.spec.feet}) == QUADRUPED_FEET


def fall_bounds(scene: RobotScene) -> FallBounds:
    """LocoMuJoCo's limits for a robot: of a humanoid, or of a quadruped."""
    zero = ROOT_HEIGHTS.get(scene.spec.name, float(scene.standing_qpos[2]))
    if is_quadruped(scene):
        return FallBounds((zero - 0.24, np.inf), (-0.192, 0.192), (-0.2793, 0.2793), ANYTHING)
    height, tilt, sideways = (zero - 0.3, zero + 0.1), (-np.pi / 4.5, np.pi / 12), (-np.pi / 12, np.pi / 8)
    if scene.spec.name == "talos":
        back = {"torso_1_joint": (-np.pi / 10, np.pi / 10), "torso_2_joint": (-np.pi / 4, np.pi / 10)}
        return FallBounds(height, tilt, sideways, (-np.pi / 10, np.pi / 10), back)
    return FallBounds(height, tilt, sideways, (-np.pi / 8, np.pi / 8))


def rewards(velocity: Doubles, target: float, quadruped: bool) -> Doubles:
    """LocoMuJoCo's reward of every step, (n,) in (0, 1].

    Args:
        velocity: (n, 2) m/s of the root in the world, forward and to the left.
        target: m/s, forward.
        quadruped: the form for quadrupeds.
    """
    if quadruped:
        error: Doubles = np.exp(-QUADRUPED_SHARPNESS * np.linalg.norm(velocity - (target, 0.0), axis=1))
        return error
    error = np.exp(-np.square(velocity[:, 0] - target))
    return error


def steps_until_fall(
    records: StepRecords, bounds: FallBounds, quadruped: bool, joint_names: tuple[str, ...]
) -> int | None:
    """Steps up to and including the first that breaks a bound, or None if none does."""
    orientation = Rotation.from_quat(records.root_quaternion, scalar_first=True)
    # the order of LocoMuJoCo's hinges: tilt, list, rotation of humanoids, list, tilt, rotation of quadrupeds
    first, second, rotation = orientation.as_euler("XYZ" if quadruped else "YXZ").T
    sideways, pitch = (first, second) if quadruped else (second, first)
    measured = [
        (records.root_height, bounds.height),
        (pitch if quadruped else -pitch, bounds.tilt),
        (sideways, bounds.list),
        (rotation, bounds.rotation),
        *((records.joint_position[:, joint_names.index(name)], limits) for name, limits in bounds.joints.items()),
    ]
    broken = np.any([(values < low) | (values > high) for values, (low, high) in measured], axis=0)
    return int(broken.argmax()) + 1 if broken.any() else None


class LocoMujocoScore:
    """The sums of LocoMuJoCo's reward for an episode.

    A step of another rate than 100 Hz stands for its whole duration, and an episode of another length than 4 s is
    scaled: the sum is 400 times the mean over the control steps of a full episode. Steps missed by a fall count 0.

    Args:
        scene: of the robot.
        horizon: control steps of a full episode.
        own_speed: m/s, mean of the reference; None if it is unknown.
        stop_at_bounds: LocoMuJoCo's limits also end an episode, for these sums.
    """

    def __init__(self, scene: RobotScene, horizon: int, own_speed: float | None, stop_at_bounds: bool) -> None:
        self.quadruped = is_quadruped(scene)
        own = {} if own_speed is None else {OWN_SPEED: own_speed}
        self.targets = SPEEDS | (QUADRUPED_SPEEDS if self.quadruped else {}) | own
        self._horizon = horizon
        self._bounds = fall_bounds(scene) if stop_at_bounds else None
        self._joint_names = tuple(actuator.joint for actuator in scene.spec.actuators)

    def __call__(self, episode: Episode) -> dict[str, float | None]:
        """Column to sum; with LocoMuJoCo's limits also the share of episodes that broke one."""
        records = episode.records
        if records is None:
            return {}
        steps: int | None = None
        fallen: dict[str, float | None] = {}
        if self._bounds is not None:
            steps = steps_until_fall(records, self._bounds, self.quadruped, self._joint_names)
            fallen = {"locomujoco_falls": float(steps is not None)}
        velocity = records.root_velocity[:steps]
        share = FULL_STEPS / self._horizon
        sums: dict[str, float | None] = {
            name: share * float(rewards(velocity, target, self.quadruped).sum())
            for name, target in self.targets.items()
        }
        return sums | fallen
