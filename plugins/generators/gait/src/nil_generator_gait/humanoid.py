"""What makes a walk on two legs look like one: arms that swing, hips that sway, knees that never bend backwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from nil_core.api import Doubles, Scene
from nil_generator_gait.footsteps import Pace, ramp_up
from nil_generator_gait.legs import Leg, Limb, joints_between

ARM_SWING = 0.8  # of the angle that the leg on the other side makes
SWAY = 0.15  # of the distance between the middle and a foot
BOUNCE = 1 / 16  # of step length squared by hip height: what stiff legs would make the hips rise and sink
OFF_CENTER = 0.1  # of the hip height; hands are this far to the side, heads and tails are not
LEAST_BEND = 0.1  # rad of a knee
ALONG = 0.7  # cosine of the angle between a joint's axis and the direction of travel; then it rolls
KNEE_EFFECT = 0.1  # of a leg's length; a joint that changes less is no knee
SCAN = 91  # angles


@dataclass(frozen=True)
class Arm(Limb):
    """A limb that swings.

    Attributes:
        shoulder: (3,) m, where it hangs in the standing pose, experiment.
        opposite: index of the leg on the other side, with which it swings.
    """

    shoulder: Doubles
    opposite: int

    def hand(self, leg_angle: float, moved: Doubles) -> Doubles:
        """Where the hand is, (3,) m, with the opposite leg ``leg_angle`` rad ahead and the root ``moved`` by (3,) m."""
        sine, cosine = np.sin(ARM_SWING * leg_angle), np.cos(ARM_SWING * leg_angle)
        x, y, z = self.home - self.shoulder
        place: Doubles = self.shoulder + moved + (cosine * x - sine * z, y, sine * x + cosine * z)
        return place


def find_arms(scene: Scene, standing: mujoco.MjData, legs: Sequence[Leg], hip_height: float) -> list[Arm]:
    """On each side the longest chain of driven joints that ends off the middle and is no leg; without one, no arms.

    Args:
        scene: robot and model.
        standing: the model's data in the standing pose, kinematics and centers of mass computed.
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
        aside = standing.xipos[body, 1] - middle
        joints = joints_between(model, root, body, driven)
        if in_legs.intersection(joints) or abs(aside) < OFF_CENTER * hip_height:
            continue
        side = int(np.sign(aside))
        if len(joints) > len(chains.get(side, (0, ()))[1]):
            chains[side] = body, joints
    if len(chains) < 2:
        return []
    shared = set.intersection(*(set(joints) for _, joints in chains.values()))  # of the trunk
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
    """Lowest and highest angle (rad) of each knee that keep it bent as in the standing pose, if only just.

    A knee is the joint that changes the distance between its neighbors most; it is straight where that is largest. One
    that stands straight bends to the side where its range is.
    """
    data = mujoco.MjData(model)
    limits = {}
    for leg in legs:
        best = 0.0
        for above, joint, below in zip(leg.joints, leg.joints[1:], leg.joints[2:], strict=False):
            address = model.jnt_qposadr[joint]
            low, high = model.jnt_range[joint] if model.jnt_limited[joint] else (-np.pi, np.pi)
            angles = np.linspace(low, high, SCAN)
            data.qpos[:] = standing.qpos
            lengths = []
            for angle in angles:
                data.qpos[address] = angle
                mujoco.mj_kinematics(model, data)
                lengths.append(np.linalg.norm(data.xanchor[above] - data.xanchor[below]))
            if np.ptp(lengths) > max(best, KNEE_EFFECT * max(lengths)):
                best, knee = float(np.ptp(lengths)), joint
                straight, stands = float(angles[np.argmax(lengths)]), float(standing.qpos[address])
                bend = stands - straight if abs(stands - straight) > LEAST_BEND else low + high - 2 * straight
                if bend > 0:
                    found = (min(straight + LEAST_BEND, stands), high)
                else:
                    found = (low, max(straight - LEAST_BEND, stands))
        if best:
            limits[knee] = found
    return limits


def can_sway(standing: mujoco.MjData, legs: Sequence[Leg]) -> bool:
    """Whether soles stay flat while the hips move sideways: every leg can roll at both of its ends."""
    return all(sum(abs(standing.xaxis[joint, 0]) > ALONG for joint in leg.joints) >= 2 for leg in legs)


def carriage(times: Doubles, pace: Pace, legs: Sequence[Leg], hip_height: float) -> tuple[Doubles, Doubles]:
    """How the root leaves its straight line: over the standing foot, and up while the other one passes it.

    Returns:
        (T,) m to the left and (T,) m up, 0 at first.
    """
    first, second = legs
    passing = (first.phase + (1 - pace.duty) / 2) / pace.frequency  # s, the middle of its swing
    cycles = 2 * np.pi * pace.frequency * (times - passing)
    sway = SWAY * (second.home[1] - first.home[1]) / 2 * np.cos(cycles)
    step = pace.speed / (2 * pace.frequency)
    bounce = BOUNCE * step**2 / hip_height * np.cos(2 * cycles)
    return ramp_up(times, pace.ramp) * sway, ramp_up(times, pace.ramp) * bounce
