"""Legs of a robot, found in its model: joints, contact point and step phase of each foot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from nil_core.api import DataError, Doubles, Scene

MIN_LEG_JOINTS = 3  # needed to position a foot
FLOOR_TILT = 0.02  # rad, rising forward: more than the tilt of soles, too little to affect round feet


@dataclass(frozen=True)
class Limb:
    """A chain of driven joints that positions a point of its last body.

    Attributes:
        body: id of the foot or hand.
        joints: ids of the driven hinges that move it, from the root outwards.
        point: (3,) m, in the body's frame: where a foot touches the floor in the standing pose.
        home: (3,) m, the same point in world coordinates.
    """

    body: int
    joints: tuple[int, ...]
    point: Doubles
    home: Doubles


@dataclass(frozen=True)
class Leg(Limb):
    """A limb with a foot.

    Attributes:
        phase: time of the first lift-off, in cycles.
    """

    phase: float


def find_legs(scene: Scene, standing: mujoco.MjData) -> tuple[Leg, ...]:
    """Find the legs, in the order of the robot's feet.

    Args:
        scene: robot and model.
        standing: data in the standing pose, with kinematics computed.

    Raises:
        DataError: the robot has no feet, or no driven joint moves one of them.
    """
    model, spec = scene.model, scene.spec
    geoms_of: dict[int, list[int]] = {}
    for name in spec.feet:
        geom = model.geom(name).id
        geoms_of.setdefault(int(model.geom_bodyid[geom]), []).append(geom)
    if not geoms_of:
        raise DataError(f"robot {spec.name} has no feet to walk on", "name its foot geoms in RobotSpec.feet")

    driven = {model.joint(actuator.joint).id for actuator in spec.actuators}
    root = model.body(spec.root).id
    homes = np.array([_contact_point(model, standing, geoms) for geoms in geoms_of.values()])
    phases = step_phases((homes - standing.xpos[root]) @ standing.xmat[root].reshape(3, 3))
    chains = without_trunk([joints_between(model, root, foot, driven) for foot in geoms_of])
    legs = []
    for foot, home, phase, joints in zip(geoms_of, homes, phases, chains, strict=True):
        if not joints:
            raise DataError(
                f"no driven joint of robot {spec.name} moves its foot {model.body(foot).name}",
                "name the joints of every leg in RobotSpec.actuators",
            )
        contact = standing.xmat[foot].reshape(3, 3).T @ (home - standing.xpos[foot])
        legs.append(Leg(foot, joints, contact, home, phase))
    return tuple(legs)


def without_trunk(chains: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Joints of each leg, from the joint chains between root and feet: joints that move several feet (a waist or a
    spine) are excluded, unless a leg would keep fewer than :data:`MIN_LEG_JOINTS`."""
    moved = Counter(joint for chain in chains for joint in chain)
    own = [tuple(joint for joint in chain if moved[joint] == 1) for chain in chains]
    return own if min(len(joints) for joints in own) >= MIN_LEG_JOINTS else list(chains)


def step_phases(feet: Doubles) -> list[float]:
    """Phase of each foot in cycles: alternating from front to back on each side, with opposite phase on the other side.

    Two feet alternate, four move in diagonal pairs (a trot), six in tripods.

    Args:
        feet: (F, 3) m in the root's frame, x forward, y left.
    """
    left = feet[:, 1] > 0
    rank = [int(np.sum((left == side) & (feet[:, 0] > x))) for side, x in zip(left, feet[:, 0], strict=True)]
    return [0.5 * ((place + int(side)) % 2) for place, side in zip(rank, left, strict=True)]


def joints_between(model: mujoco.MjModel, root: int, foot: int, driven: Iterable[int]) -> tuple[int, ...]:
    """Ids of the driven joints from the root to a foot, in this order."""
    joints: list[int] = []
    body = foot
    while body not in (root, 0):
        start, count = model.body_jntadr[body], model.body_jntnum[body]
        joints[:0] = [joint for joint in range(start, start + count) if joint in driven]
        body = model.body_parentid[body]
    return tuple(joints)


def _contact_point(model: mujoco.MjModel, data: mujoco.MjData, geoms: Iterable[int]) -> Doubles:
    """Lowest point of the geoms, (3,) m, world coordinates; the foremost of a flat sole, so that the heel can rise."""
    floor = int(np.flatnonzero((model.geom_bodyid == 0) & (model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE))[0])
    sine, cosine = np.sin(FLOOR_TILT), np.cos(FLOOR_TILT)
    data.geom_xmat[floor] = [cosine, 0, -sine, 0, 1, 0, sine, 0, cosine]
    nearest, point = np.inf, np.zeros(3)
    for geom in geoms:
        segment = np.zeros(6)
        distance = mujoco.mj_geomDistance(model, data, geom, floor, 100.0, segment)
        if distance < nearest:
            nearest, point = distance, segment[:3]
    return point
