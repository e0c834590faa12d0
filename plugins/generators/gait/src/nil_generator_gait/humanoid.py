"""Biped details: arm swing, hip sway, and knee limits that prevent bending backwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from nil_core.api import Doubles, Scene
from nil_generator_gait.footsteps import Pace, ramp_up
from nil_generator_gait.legs import Leg, Limb, joints_between

ARM_SWING = 0.8  # of the angle of the opposite leg
SWAY_FRACTION = 0.15  # of the lateral distance between root and foot
BOUNCE_FACTOR = 1 / 16  # of step length squared / hip height: vertical hip motion of stiff legs
MIN_HAND_OFFSET = 0.1  # of the hip height: hands are at least this far to the side, heads and tails are not
MIN_KNEE_BEND = 0.1  # rad
ROLL_AXIS_COSINE = 0.7  # minimum cosine between the axis of a roll joint and the direction of travel
MIN_KNEE_EFFECT = 0.1  # of the leg length: minimum change of it by a knee
NUM_SCAN_ANGLES = 91


@dataclass(frozen=True)
class Arm(Limb):
    """A limb with a hand.

    Attributes:
        shoulder: (3,) m, world coordinates in the standing pose.
        opposite: index of the leg on the other side, with which it swings.
    """

    shoulder: Doubles
    opposite: int

    def hand(self, leg_angle: float, moved: Doubles) -> Doubles:
        """Hand position, (3,) m, if the opposite leg is ``leg_angle`` rad forward and the root ``moved`` by (3,) m."""
        sine, cosine = np.sin(ARM_SWING * leg_angle), np.cos(ARM_SWING * leg_angle)
        x, y, z = self.home - self.shoulder
        position: Doubles = self.shoulder + moved + (cosine * x - sine * z, y, sine * x + cosine * z)
        return position


def find_arms(scene: Scene, standing: mujoco.MjData, legs: Sequence[Leg], hip_height: float) -> list[Arm]:
    """Find the arms: on each side the longest chain of driven joints that ends laterally and is no leg.

    Returns an empty list unless there is one on both sides.

    Args:
        scene: robot and model.
        standing: data in the standing pose, with kinematics and centers of mass computed.
        legs: left and right.
        hip_height: m.
    """
    model = scene.model
    root = model.body(scene.spec.root).id
    driven = {model.joint(actuator.joint).id for actuator in scene.spec.actuators}
    in_legs = {joint for leg in legs for joint in leg.joints}
    chains: dict[int, tuple[int, tuple[int, ...]]] = {}  # side to hand and joints
    middle = standing.xpos[root, 1]
    for body in range(1, model.nbody):
        offset = standing.xipos[body, 1] - middle
        joints = joints_between(model, root, body, driven)
        if in_legs.intersection(joints) or abs(offset) < MIN_HAND_OFFSET * hip_height:
            continue
        side = int(np.sign(offset))
        if len(joints) > len(chains.get(side, (0, ()))[1]):
            chains[side] = body, joints
    if len(chains) < 2:
        return []
    shared = set.intersection(*(set(joints) for _, joints in chains.values()))  # joints of the trunk
    if any(shared.issuperset(joints) for _, joints in chains.values()):
        return []
    arms = []
    for side, (hand, chain) in chains.items():
        joints = tuple(joint for joint in chain if joint not in shared)
        opposite = min(range(len(legs)), key=lambda leg: side * legs[leg].home[1])
        home = standing.xipos[hand].copy()
        arms.append(Arm(hand, joints, model.body_ipos[hand].copy(), home, standing.xanchor[joints[0]].copy(), opposite))
    return arms


def knee_limits(model: mujoco.MjModel, standing: mujoco.MjData, legs: Sequence[Leg]) -> dict[int, tuple[float, float]]:
    """Lower and upper angle limits (rad) of each knee, which keep it bent in the direction of the standing pose.

    A knee is the joint that changes the distance between its neighbors most; it is straight at the maximum distance. A
    knee that is straight in the standing pose bends in the direction of its range.
    """
    data = mujoco.MjData(model)
    limits = {}
    for leg in legs:
        best = 0.0
        for above, joint, below in zip(leg.joints, leg.joints[1:], leg.joints[2:], strict=False):
            address = model.jnt_qposadr[joint]
            low, high = model.jnt_range[joint] if model.jnt_limited[joint] else (-np.pi, np.pi)
            angles = np.linspace(low, high, NUM_SCAN_ANGLES)
            data.qpos[:] = standing.qpos
            lengths = []
            for angle in angles:
                data.qpos[address] = angle
                mujoco.mj_kinematics(model, data)
                lengths.append(np.linalg.norm(data.xanchor[above] - data.xanchor[below]))
            if np.ptp(lengths) > max(best, MIN_KNEE_EFFECT * max(lengths)):
                best, knee = float(np.ptp(lengths)), joint
                straight, standing_angle = float(angles[np.argmax(lengths)]), float(standing.qpos[address])
                bend = standing_angle - straight
                bend = bend if abs(bend) > MIN_KNEE_BEND else low + high - 2 * straight
                if bend > 0:
                    found = (min(straight + MIN_KNEE_BEND, standing_angle), high)
                else:
                    found = (low, max(straight - MIN_KNEE_BEND, standing_angle))
        if best:
            limits[knee] = found
    return limits


def can_sway(standing: mujoco.MjData, legs: Sequence[Leg]) -> bool:
    """Whether soles stay flat when the hips move sideways: every leg has roll joints at hip and ankle."""
    return all(sum(abs(standing.xaxis[joint, 0]) > ROLL_AXIS_COSINE for joint in leg.joints) >= 2 for leg in legs)


def root_sway_and_bounce(times: Doubles, pace: Pace, legs: Sequence[Leg], hip_height: float) -> tuple[Doubles, Doubles]:
    """Periodic root motion: sideways over the stance foot, and up at mid-swing of the other foot.

    Returns:
        (T,) m to the left and (T,) m up, both 0 at the start.
    """
    first, second = legs
    mid_swing = (first.phase + (1 - pace.duty) / 2) / pace.frequency  # s, of the first leg
    phase = 2 * np.pi * pace.frequency * (times - mid_swing)
    sway = SWAY_FRACTION * (second.home[1] - first.home[1]) / 2 * np.cos(phase)
    step = pace.speed / (2 * pace.frequency)
    bounce = BOUNCE_FACTOR * step**2 / hip_height * np.cos(2 * phase)
    return ramp_up(times, pace.ramp) * sway, ramp_up(times, pace.ramp) * bounce
