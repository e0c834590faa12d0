"""How the robot stands, on what, and how it is seen: derived from its model in the standing pose."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import mujoco
import numpy as np

from nil_core.api import Camera, DataError
from nil_robot_mjcf.geom_groups import COLLIDER, VISUAL

NEAR_FLOOR = 0.05  # of the standing height
LEVEL = 0.02  # of the standing height; feet that differ by less stand on one floor
ASKEW = 0.5  # rad; feet may be placed a little unevenly, but a robot that faces y is built that way
SHORTEST_TOE = 0.01  # m; soles centered under their ankles do not tell front from back, and then x is taken for it
ROOM = 1.1  # of the camera's distance
HALF_VIEW = np.radians(22.5)
OBLIQUE_VIEW, HIGH_OBLIQUE_VIEW = (55.0, -15.0), (55.0, -20.0)  # degrees, on two feet and on more; from the side, legs
# look alike and hide each other
SECONDS, SECONDS_ON_TWO_FEET = 2.5, 4.0  # of a reference


def stand(model: mujoco.MjModel, pose: Mapping[str, float], height: float | None) -> mujoco.MjData:
    """Data with the robot in the pose, its lowest collider on the floor.

    Args:
        model: the robot and one plane, the floor.
        pose: joint positions.
        height: of the root, m, instead of the one derived.

    Raises:
        DataError: the robot has no colliders, or its root's origin is below all of them.
    """
    data = mujoco.MjData(model)
    for name, angle in pose.items():
        data.joint(name).qpos[0] = angle
    data.qpos[2] = 0.0
    mujoco.mj_kinematics(model, data)
    found = heights(model, data)
    if not found:
        raise DataError("the robot has no geom that touches anything", "give its feet contype and conaffinity 1")
    data.qpos[2] = -min(found.values()) if height is None else height
    if data.qpos[2] <= 0:
        raise DataError(
            f"the origin of the root is {-data.qpos[2]:.2f} m below all that touches the floor; its height tells falls",
            "move the origin of the root in the file into the trunk",
        )
    mujoco.mj_forward(model, data)
    return data


def find_feet(model: mujoco.MjModel, data: mujoco.MjData, root: str, driven: Collection[str]) -> tuple[str, ...]:
    """Names of the colliders that the robot stands on.

    Those lowest, on bodies that driven joints move. Of a foot and its toes only the foot counts.

    Raises:
        DataError: there are none: it lies, or its legs are not driven.
    """
    found = heights(model, data)
    level = min(found.values()) + LEVEL * data.qpos[2]
    joints = {model.joint(name).id for name in driven}
    on_floor = {g: int(model.geom_bodyid[g]) for g, height in found.items() if height <= level}
    standing = {body for body in on_floor.values() if joints.intersection(joints_to(model, body, root))}
    soles = {body for body in standing if not standing.intersection(bodies_to(model, model.body_parentid[body], root))}
    feet = tuple(model.geom(g).name for g, body in on_floor.items() if body in soles)
    if not feet:
        names = [str(model.geom(g).name) for g in on_floor]
        others = [str(model.geom(g).name) for g in found if g not in on_floor]
        raise DataError(
            f"no driven joint moves what the robot stands on: {', '.join(names)}",
            "it may lie: choose another robot.standing_pose; or name its feet, --set 'robot.feet=[...]', of "
            + ", ".join(others[:40]),
        )
    return feet


@dataclass(frozen=True)
class Leg:
    """One leg, by ids.

    Attributes:
        joints: the driven ones between root and foot, from the root outwards.
        toes: the driven ones beyond.
        soles: colliders of the foot and its toes that are near the floor.
    """

    joints: tuple[int, ...]
    toes: tuple[int, ...]
    soles: tuple[int, ...]


def find_legs(
    model: mujoco.MjModel, data: mujoco.MjData, root: str, feet: Collection[str], driven: Collection[str]
) -> list[Leg]:
    """The legs that end in the feet, in their order; those without driven joints are left out."""
    moving = {model.joint(name).id for name in driven}
    near = [geom for geom, height in heights(model, data).items() if height < NEAR_FLOOR * data.qpos[2]]
    legs = []
    for foot in dict.fromkeys(int(model.geom_bodyid[model.geom(name).id]) for name in feet):
        chain = tuple(joint for joint in joints_to(model, foot, root) if joint in moving)
        soles = [geom for geom in near if foot in bodies_to(model, model.geom_bodyid[geom], root)]
        below = {joint for geom in soles for joint in joints_to(model, model.geom_bodyid[geom], root)}
        if chain:
            legs.append(Leg(chain, tuple(sorted(below.intersection(moving).difference(chain))), tuple(soles)))
    return legs


def joints_to(model: mujoco.MjModel, body: int, root: str) -> list[int]:
    """Joints between the root and a body, from the root outwards."""
    return [
        joint
        for link in reversed(bodies_to(model, body, root))
        for joint in range(model.body_jntadr[link], model.body_jntadr[link] + model.body_jntnum[link])
    ]


def find_heading(model: mujoco.MjModel, data: mujoco.MjData, root: str, feet: Collection[str]) -> float:
    """Where a biped faces, rad from x: square to the line between its feet, on the side of its toes; else 0."""
    soles = {int(model.geom_bodyid[model.geom(foot).id]): data.geom(foot).xpos for foot in feet}
    if len(soles) != 2:
        return 0.0
    one, other = soles.values()
    forward = np.array([other[1] - one[1], one[0] - other[0]]) / np.linalg.norm((one - other)[:2])
    ankles = [data.xanchor[joints_to(model, body, root)[-1]] for body in soles]
    toes = float(np.mean([(sole - ankle)[:2] @ forward for sole, ankle in zip(soles.values(), ankles, strict=True)]))
    if (toes if abs(toes) > SHORTEST_TOE else forward[0]) < 0:
        forward = -forward
    heading = float(np.arctan2(forward[1], forward[0]))
    return heading if abs(heading) > ASKEW else 0.0


def find_torso(model: mujoco.MjModel, root: str, feet: Collection[str]) -> str:
    """The heaviest body that is in no leg."""
    legs = {link for foot in feet for link in bodies_to(model, model.geom_bodyid[model.geom(foot).id], root)}
    others = [body for body in range(1, model.nbody) if body not in legs]
    return str(model.body(max(others, key=lambda body: model.body_mass[body])).name)


def frame_camera(model: mujoco.MjModel, data: mujoco.MjData, root: str, feet: Collection[str]) -> Camera:
    """A camera that the bounding sphere about the root's axis just fits into."""
    corners = np.stack(np.meshgrid(*[[-1, 1]] * 3), axis=-1).reshape(-1, 3)
    seen = np.flatnonzero((model.geom_group == VISUAL) & (model.geom_rgba[:, 3] > 0))
    boxes = [
        data.geom_xpos[g]
        + (model.geom_aabb[g, :3] + corners * model.geom_aabb[g, 3:]) @ data.geom_xmat[g].reshape(3, 3).T
        for g in seen
    ]
    points = np.concatenate(boxes)
    middle = np.array([*data.xpos[model.body(root).id, :2], (points[:, 2].min() + points[:, 2].max()) / 2])
    radius = np.linalg.norm(points - middle, axis=1).max()
    azimuth, elevation = OBLIQUE_VIEW if _bodies(model, feet) <= 2 else HIGH_OBLIQUE_VIEW
    return Camera(round(float(ROOM * radius / np.sin(HALF_VIEW)), 3), round(float(middle[2]), 3), azimuth, elevation)


def reference_seconds(model: mujoco.MjModel, feet: Collection[str]) -> float:
    """Length of a reference: longer on two feet, where the weight shifts before the first step."""
    return SECONDS_ON_TWO_FEET if _bodies(model, feet) == 2 else SECONDS


def _bodies(model: mujoco.MjModel, feet: Collection[str]) -> int:
    """How many feet the geoms belong to."""
    return len({int(model.geom_bodyid[model.geom(foot).id]) for foot in feet})


def bodies_to(model: mujoco.MjModel, body: int, root: str) -> list[int]:
    """A body and those above it, up to the root, without it."""
    bodies = []
    while body not in (model.body(root).id, 0):
        bodies.append(int(body))
        body = model.body_parentid[body]
    return bodies


def heights(model: mujoco.MjModel, data: mujoco.MjData) -> dict[int, float]:
    """Lowest point (m) of each collider above the model's plane."""
    floor = int(np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE)[0])
    colliders = np.flatnonzero(model.geom_group == COLLIDER)
    return {int(g): mujoco.mj_geomDistance(model, data, g, floor, 100.0, None) for g in colliders if g != floor}
