"""How the robot stands, on what, and how it is seen: derived from its model in the standing pose."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import mujoco
import numpy as np

from nil_core.api import Camera, DataError, Doubles
from nil_robot_mjcf.geom_groups import COLLIDER, VISUAL

OWN_POSE = "the model's own pose"
KEYFRAMES = ("home", "stand", "standing")
SCALAR_JOINTS = (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE)
SLACK = 1e-3  # rad beyond a joint's limit that rounding explains
NEAR_FLOOR = 0.05  # of the standing height
LEVEL = 0.02  # of the standing height; feet that differ by less stand on one floor
ASKEW = 0.5  # rad; feet may be placed a little unevenly, but a robot that faces y is built that way
SHORTEST_TOE = 0.01  # m; soles centered under their ankles do not tell front from back, and then x is taken for it
ROOM = 1.1  # of the camera's distance
HALF_VIEW = np.radians(22.5)
OBLIQUE_VIEW, HIGH_OBLIQUE_VIEW = (55.0, -15.0), (55.0, -20.0)  # degrees, on two feet and on more; from the side, legs
# look alike and hide each other
SECONDS, SECONDS_ON_TWO_FEET = 2.5, 4.0  # of a reference


@dataclass(frozen=True)
class HomePose:
    """The standing pose that a model file gives.

    Attributes:
        joints: hinge and slide joints of the robot that do not stand at 0, to rad or m.
        orientation: (4,) quaternion of the root.
        source: where it is from, in words.
    """

    joints: dict[str, float]
    orientation: Doubles
    source: str


def home_pose(model: mujoco.MjModel, root: str) -> HomePose:
    """The keyframe called home, stand or standing, else the first one, else the model's own pose with every joint
    moved within its limits.

    Raises:
        DataError: the keyframe bends a joint beyond its limits.
    """
    names = [model.key(key).name for key in range(model.nkey)]
    key = next((names.index(name) for name in KEYFRAMES if name in names), 0 if names else None)
    qpos = model.qpos0 if key is None else model.key_qpos[key]
    tree = model.body_rootid[model.body(root).id]
    pose = {}
    for number in range(model.njnt):
        scalar = mujoco.mjtJoint(int(model.jnt_type[number])) in SCALAR_JOINTS
        if scalar and model.body_rootid[model.jnt_bodyid[number]] == tree:
            pose[model.joint(number).name] = float(qpos[model.jnt_qposadr[number]])
    source = OWN_POSE if key is None else f"keyframe {names[key] or key}"
    if key is not None:
        check_limits(model, pose, source)
    pose = {name: _within(model, name, angle) for name, angle in pose.items()}
    start = model.jnt_qposadr[model.body(root).jntadr[0]]
    return HomePose({name: angle for name, angle in pose.items() if angle}, qpos[start + 3 : start + 7].copy(), source)


def check_limits(model: mujoco.MjModel, pose: Mapping[str, float], source: str) -> None:
    """Whether every joint exists and is within its limits.

    Raises:
        DataError: one is not.
    """
    joints = {model.joint(number).name for number in range(model.njnt)}
    for name, angle in pose.items():
        if name not in joints:
            raise DataError(f"{source} names no joint of the model: {name!r}", f"joints: {', '.join(sorted(joints))}")
        if abs(_within(model, name, angle) - angle) > SLACK:
            low, high = model.joint(name).range
            raise DataError(
                f"{source} puts joint {name} at {angle:.3f}, outside its limits of {low:.3f} to {high:.3f}",
                f"--set 'robot.standing_pose={{{name} = {_within(model, name, angle):.3f}}}', or mend the file",
            )


def stand(model: mujoco.MjModel, pose: Mapping[str, float], height: float | None) -> mujoco.MjData:
    """Data with the robot in the pose, its lowest collider on the floor.

    Args:
        model: the robot and one plane, the floor.
        pose: joint positions.
        height: of the root, m, instead of the one derived.

    Raises:
        DataError: the robot has no colliders.
    """
    data = mujoco.MjData(model)
    for name, angle in pose.items():
        data.joint(name).qpos[0] = angle
    data.qpos[2] = 0.0
    mujoco.mj_kinematics(model, data)
    heights = _heights(model, data)
    if not heights:
        raise DataError("the robot has no geom that touches anything", "give its feet contype and conaffinity 1")
    data.qpos[2] = -min(heights.values()) if height is None else height
    mujoco.mj_forward(model, data)
    return data


def find_feet(model: mujoco.MjModel, data: mujoco.MjData, root: str, driven: Collection[str]) -> tuple[str, ...]:
    """Names of the colliders that the robot stands on.

    Those lowest, on bodies that driven joints move. Of a foot and its toes only the foot counts.

    Raises:
        DataError: there are none: it lies, or its legs are not driven.
    """
    heights = _heights(model, data)
    level = min(heights.values()) + LEVEL * data.qpos[2]
    joints = {model.joint(name).id for name in driven}
    on_floor = {g: int(model.geom_bodyid[g]) for g, height in heights.items() if height <= level}
    standing = {body for body in on_floor.values() if joints.intersection(joints_to(model, body, root))}
    soles = {body for body in standing if not standing.intersection(_bodies_to(model, model.body_parentid[body], root))}
    feet = tuple(model.geom(g).name for g, body in on_floor.items() if body in soles)
    if not feet:
        raise DataError(
            "no driven joint moves what the robot stands on",
            'name its foot geoms, --set \'robot.feet=["left", "right"]\', or its pose, robot.standing_pose',
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
    near = [geom for geom, height in _heights(model, data).items() if height < NEAR_FLOOR * data.qpos[2]]
    legs = []
    for foot in dict.fromkeys(int(model.geom_bodyid[model.geom(name).id]) for name in feet):
        chain = tuple(joint for joint in joints_to(model, foot, root) if joint in moving)
        soles = [geom for geom in near if foot in _bodies_to(model, model.geom_bodyid[geom], root)]
        below = {joint for geom in soles for joint in joints_to(model, model.geom_bodyid[geom], root)}
        if chain:
            legs.append(Leg(chain, tuple(sorted(below.intersection(moving).difference(chain))), tuple(soles)))
    return legs


def joints_to(model: mujoco.MjModel, body: int, root: str) -> list[int]:
    """Joints between the root and a body, from the root outwards."""
    return [
        joint
        for link in reversed(_bodies_to(model, body, root))
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
    legs = {link for foot in feet for link in _bodies_to(model, model.geom_bodyid[model.geom(foot).id], root)}
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


def _within(model: mujoco.MjModel, name: str, angle: float) -> float:
    joint = model.joint(name)
    return float(np.clip(angle, *joint.range)) if joint.limited[0] else angle


def _bodies_to(model: mujoco.MjModel, body: int, root: str) -> list[int]:
    bodies = []
    while body not in (model.body(root).id, 0):
        bodies.append(int(body))
        body = model.body_parentid[body]
    return bodies


def _heights(model: mujoco.MjModel, data: mujoco.MjData) -> dict[int, float]:
    """Lowest point (m) of each collider above the model's plane."""
    floor = int(np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE)[0])
    colliders = np.flatnonzero(model.geom_group == COLLIDER)
    return {int(g): mujoco.mj_geomDistance(model, data, g, floor, 100.0, None) for g in colliders if g != floor}
