"""Reasons to doubt the feet that were found: a robot may rest on fewer feet than it walks on, or lie."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

import mujoco
import numpy as np

from nil_robot_mjcf.home_pose import SLACK, inline_table, nearest_angle
from nil_robot_mjcf.standing import bodies_to, heights, joints_to

LOW = 0.3  # of the standing height; limbs that end below it may be legs ...
LIMB_JOINTS = 2  # ... if they have as many joints at least
ALIKE = 1.5  # ratio of masses and lengths up to which a limb is like a leg
BEYOND = 0.6  # of the standing height; toes are shorter


@dataclass(frozen=True)
class Limb:
    """A chain of links away from the root.

    Attributes:
        geom: id of the collider at its end.
        joints: how many driven joints it has.
        mass: kg.
        length: m, of the line through its links.
    """

    geom: int
    joints: int
    mass: float
    length: float

    def like(self, other: Limb) -> bool:
        """Whether both could be limbs of one kind."""
        ratios = self.mass / max(other.mass, 1e-9), self.length / max(other.length, 1e-9)
        return self.joints == other.joints and all(1 / ALIKE < ratio < ALIKE for ratio in ratios)


def find_doubts(
    model: mujoco.MjModel, data: mujoco.MjData, root: str, feet: Collection[str], driven: Collection[str]
) -> tuple[str, ...]:
    """Reasons to doubt the feet that were found, in words.

    Args:
        model: the robot on a plane.
        data: standing, forward computed.
        root: name of the body with the free joint.
        feet: names of the foot geoms.
        driven: joints.
    """
    moving = {model.joint(name).id for name in driven}
    soles = {int(model.geom_bodyid[model.geom(foot).id]): model.geom(foot).id for foot in feet}
    doubts = []
    if others := _other_feet(model, data, root, soles, moving):
        names = [str(model.geom(geom).name) for geom in others]
        own = _own_pose(model, data, root, others, moving)
        named = f"--set 'robot.feet={json.dumps([*feet, *names])}'"
        hint = f"{named}, or another robot.standing_pose"
        if own:
            hint = f"--set 'robot.standing_pose={inline_table(own)}' puts them there; if it can stand as it is: {named}"
        doubts.append(f"{', '.join(names)} may be feet too, though they do not touch the floor: {hint}")
    inner = [foot for foot in feet if _reach_beyond(model, data, model.geom(foot).id) > BEYOND * data.qpos[2]]
    if inner:
        doubts.append(f"{', '.join(inner)} are not where its limbs end: it may lie, or stand on its knees")
    if len(soles) % 2:
        doubts.append(f"it stands on {len(soles)} feet, an odd number: robot.feet or robot.standing_pose may be wrong")
    return tuple(doubts)


def _own_pose(
    model: mujoco.MjModel, data: mujoco.MjData, root: str, geoms: Collection[int], moving: set[int]
) -> dict[str, float]:
    """Joints of limbs that a keyframe or option bends, to their angle (rad) in the model's own pose."""
    joints = {joint for geom in geoms for joint in joints_to(model, model.geom_bodyid[geom], root)} & moving
    nearest = {joint: nearest_angle(model, joint, float(model.qpos0[model.jnt_qposadr[joint]])) for joint in joints}
    return {
        str(model.joint(joint).name): angle
        for joint, angle in sorted(nearest.items())
        if abs(data.qpos[model.jnt_qposadr[joint]] - angle) > SLACK
    }


def _other_feet(
    model: mujoco.MjModel, data: mujoco.MjData, root: str, soles: dict[int, int], moving: set[int]
) -> list[int]:
    """Colliders at the ends of limbs that are like the legs, or that end a little above the floor."""
    chains = [bodies_to(model, sole, root) for sole in soles]
    in_legs = {link for chain in chains for link in chain}
    shared = set.intersection(*map(set, chains)) if len(chains) > 1 else set()
    legs = [
        _limb(model, data, [link for link in chain if link not in shared], geom, moving)
        for chain, geom in zip(chains, soles.values(), strict=True)
    ]
    above = heights(model, data)
    ends: dict[int, tuple[int, list[int]]] = {}  # the outermost collider of each limb, by its link next to the root
    for geom in sorted(above, key=lambda geom: above[geom]):
        links = bodies_to(model, model.geom_bodyid[geom], root)
        own = [link for link in links if link not in in_legs]
        if own and links[0] == own[0] and not soles.keys() & set(links):
            best = ends.get(own[-1])
            if best is None or len(own) > len(best[1]):
                ends[own[-1]] = geom, own
    limbs = [_limb(model, data, own, geom, moving) for geom, own in ends.values()]
    low = LOW * data.qpos[2]
    return [
        limb.geom
        for limb in limbs
        if limb.joints >= LIMB_JOINTS and (above[limb.geom] < low or any(limb.like(leg) for leg in legs))
    ]


def _limb(model: mujoco.MjModel, data: mujoco.MjData, links: list[int], geom: int, moving: set[int]) -> Limb:
    joints = [
        joint
        for link in links
        for joint in range(model.body_jntadr[link], model.body_jntadr[link] + model.body_jntnum[link])
        if joint in moving
    ]
    points = np.array([data.geom_xpos[geom], *data.xpos[links]])
    length = float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())
    return Limb(geom, len(joints), float(model.body_mass[links].sum()), length)


def _reach_beyond(model: mujoco.MjModel, data: mujoco.MjData, foot: int) -> float:
    """How far (m) the limb extends beyond a foot: to the origin of the farthest body below it, or 0."""
    body = int(model.geom_bodyid[foot])
    below = [other for other in range(1, model.nbody) if other != body and body in bodies_to(model, other, "world")]
    return max((float(np.linalg.norm(data.xpos[other] - data.geom_xpos[foot])) for other in below), default=0.0)
