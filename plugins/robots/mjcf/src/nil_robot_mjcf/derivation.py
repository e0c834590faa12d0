"""Derives a robot from its model file: what the options leave open, as values. Nothing is changed on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import mujoco
import numpy as np

from nil_core.api import (
    Actuator,
    ConfigError,
    DataError,
    Doubles,
    FallLimits,
    RobotSpec,
    choose_camera,
    plain_default,
)
from nil_robot_mjcf import MjcfOptions, actuators, home_pose, standing
from nil_robot_mjcf.balance import BIPED, balance, is_off_center
from nil_robot_mjcf.doubts import find_doubts
from nil_robot_mjcf.geom_groups import sort_geoms
from nil_robot_mjcf.isolate import IDENTITY, UPRIGHT, face_forward, find_root, isolate, tilt, upright_name
from nil_robot_mjcf.model_file import compile_model, is_urdf, load
from nil_robot_mjcf.remarks import made_up
from nil_robot_mjcf.soles import Box, box_soles, replace_soles

FALLEN = 0.6  # of the standing height
LEG_JOINTS = 3  # at least, of a biped that is balanced: hip, knee and ankle place the foot and level its sole
BALANCING_ROUNDS = 2  # soles that lie flat may touch the floor with more geoms than those of the pose in the file


@dataclass(frozen=True)
class Derived:
    """A robot and how its model is made from the file.

    Attributes:
        spec: the embodiment.
        file_root: name of the body that floats in the file.
        orientation: (4,) quaternion of that body in the standing pose.
        torso_orientation: (4,) quaternion of the torso in the standing pose, where it is not upright and needs a frame
            that is; None: it needs none.
        torso: name of the torso in the file.
        pose_source: where the standing pose is from, in words.
        soles: boxes in place of foot meshes, by the names of the geoms.
        armatures: of joints that lack it in the file, kg m^2.
        remarks: what was changed of the file, or may be wrong, in words.
    """

    spec: RobotSpec
    file_root: str
    orientation: Doubles
    torso_orientation: Doubles | None
    torso: str
    pose_source: str
    soles: Mapping[str, Box]
    armatures: Mapping[str, float]
    remarks: tuple[str, ...]


def derive(options: MjcfOptions) -> Derived:
    """The robot of a model file.

    Raises:
        ConfigError: no path, or an option that names what the model does not have.
        DataError: the file cannot serve, see :mod:`nil_robot_mjcf.model_file`.
    """
    file = load(options)
    keyframes = [key.name for key in file.keys]  # compiling adds empty ones where <size nkey=.../> announces more
    whole = compile_model(file, options.path)
    file_root = find_root(whole, options.root)
    limits = driven_joints(whole, file_root, options)
    home_pose.check_limits(whole, options.standing_pose)
    home = home_pose.home_pose(whole, file_root, keyframes, options.standing_pose)
    stand = partial(stand_robot, options, file_root, limits)
    pose = home.joints
    orientation = home.orientation if tilt(home.orientation) >= UPRIGHT else np.array(IDENTITY)

    robot = stand(orientation, pose)
    heading = find_heading(robot, options)
    if heading:
        orientation = face_forward(orientation, heading)
        robot = stand(orientation, pose)
    soles = find_soles(robot, options)
    if soles:
        stand = partial(stand, soles=soles)
        robot = stand(orientation, pose)
    for _ in range(BALANCING_ROUNDS):
        legs = standing.find_legs(robot.model, robot.data, robot.root, robot.feet, limits)
        if _needs_balance(robot, legs, home):
            fixed = {robot.model.joint(name).id for name in options.standing_pose}
            narrow = home.source == home_pose.OWN_POSE and len(legs) == BIPED
            pose = pose | balance(robot.model, robot.data, legs, fixed, narrow)
            robot = stand(orientation, pose)

    doubts = () if options.feet else find_doubts(robot.model, robot.data, robot.root, robot.feet, limits)

    kinematic = is_urdf(options.path) or not whole.nu
    armatures = find_armatures(options, robot, limits) if kinematic else {}
    torso = find_torso(robot, file_root, options)
    torso_orientation = robot.data.body(torso).xquat.copy()
    upright = tilt(torso_orientation) <= UPRIGHT
    return Derived(
        spec=make_spec(options, robot, pose, torso if upright else upright_name(torso), limits, armatures),
        file_root=file_root,
        orientation=orientation,
        torso_orientation=None if upright else torso_orientation,
        torso=torso,
        pose_source=home.source,
        soles=soles,
        armatures=armatures,
        remarks=(*made_up(file, whole, limits, soles, armatures, options), *home.remarks, *doubts),
    )


def _needs_balance(robot: StandingRobot, legs: Sequence[standing.Leg], home: home_pose.HomePose) -> bool:
    """On two legs always; on more where the model's own pose shows joints rather than a stance."""
    if len(legs) <= BIPED:
        return len(legs) == BIPED and min(len(leg.joints) for leg in legs) >= LEG_JOINTS
    return home.source == home_pose.OWN_POSE and is_off_center(robot.data, legs)


def find_armatures(options: MjcfOptions, robot: StandingRobot, limits: Mapping[str, float]) -> dict[str, float]:
    """What motors add to the inertia (kg m^2) of leg joints, by joint, where the file says nothing of motors."""
    added = {
        joint: actuators.missing_armature(
            robot.model, robot.data, joint, actuators.chosen(options.torque_limit, joint, limits[joint])
        )
        for joint in _joints_of_legs(robot)
        if joint in limits
    }
    return {joint: armature for joint, armature in added.items() if armature}


def _joints_of_legs(robot: StandingRobot) -> list[str]:
    model = robot.model
    bodies = {int(model.geom_bodyid[model.geom(foot).id]) for foot in robot.feet}
    joints = {joint for body in bodies for joint in standing.joints_to(model, body, robot.root)}
    return [str(model.joint(joint).name) for joint in sorted(joints)]


def find_soles(robot: StandingRobot, options: MjcfOptions) -> dict[str, Box]:
    """Boxes in place of the meshes beneath a biped's feet."""
    model = robot.model
    two = len({int(model.geom_bodyid[model.geom(foot).id]) for foot in robot.feet}) == 2
    return box_soles(model, robot.data, robot.feet) if two and options.box_soles else {}


def driven_joints(model: mujoco.MjModel, root: str, options: MjcfOptions) -> dict[str, float]:
    """The driven joints, in order, and the largest torque (N m, inf for no limit) of each by the file.

    Of a file without actuators these are all hinges.

    Raises:
        ConfigError: an option names a joint that the model does not have.
        DataError: no joint is driven.
    """
    limits = actuators.torque_limits(model, root)
    if options.joints is not None:
        _check_names("joint", options.joints, [model.joint(j).name for j in range(model.njnt)])
        limits = {joint: limits.get(joint, float("inf")) for joint in options.joints}
    if not limits and not model.nu:
        limits = actuators.hinges(model, root)
    if not limits:
        raise DataError(
            "the model's actuators drive no hinge of the robot",
            f"--set 'robot.joints={json.dumps(list(actuators.hinges(model, root)))}' drives all",
        )
    return limits


@dataclass(frozen=True)
class StandingRobot:
    """The robot alone in its pose on a floor.

    Attributes:
        model: of robot and floor.
        data: in the pose, forward computed.
        root: name of the body with the free joint.
        feet: names of its foot geoms.
    """

    model: mujoco.MjModel
    data: mujoco.MjData
    root: str
    feet: tuple[str, ...]


def stand_robot(
    options: MjcfOptions,
    file_root: str,
    driven: Mapping[str, float],
    orientation: Doubles,
    pose: Mapping[str, float],
    soles: Mapping[str, Box] = MappingProxyType({}),
) -> StandingRobot:
    """The robot alone in a pose on a floor.

    Args:
        options: of the robot.
        file_root: name of the body that floats in the file.
        driven: joints.
        orientation: (4,) quaternion of that body.
        pose: joint to rad.
        soles: boxes in place of meshes, by the names of the geoms.

    Raises:
        ConfigError: an option names a foot that the model does not have.
        DataError: the robot has no colliders, or stands on what no driven joint moves.
    """
    draft, root = isolate(load(options), file_root, orientation)
    sort_geoms(draft, options.self_collision)
    replace_soles(draft, soles)
    draft.worldbody.add_geom(plain_default(), type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1])
    model = compile_model(draft, options.path)
    data = standing.stand(model, pose, options.standing_height)
    if options.feet is not None:
        _check_names("geom", options.feet, [model.geom(g).name for g in range(model.ngeom)])
    return StandingRobot(model, data, root, options.feet or standing.find_feet(model, data, root, driven))


def find_heading(robot: StandingRobot, options: MjcfOptions) -> float:
    """Where the robot in the file faces, rad from x to the left."""
    if options.heading is not None:
        return float(np.radians(options.heading))
    return standing.find_heading(robot.model, robot.data, robot.root, robot.feet)


def find_torso(robot: StandingRobot, file_root: str, options: MjcfOptions) -> str:
    """Name of the body whose tilt counts as stability.

    Raises:
        ConfigError: an option names a body that the model does not have.
    """
    if options.torso is not None:
        _check_names("body", [options.torso], [robot.model.body(b).name for b in range(robot.model.nbody)])
    torso = options.torso or standing.find_torso(robot.model, robot.root, robot.feet)
    return robot.root if torso == file_root else torso  # the root's upright parent, where it has one


def make_spec(
    options: MjcfOptions,
    robot: StandingRobot,
    pose: Mapping[str, float],
    torso: str,
    limits: Mapping[str, float],
    armatures: Mapping[str, float],
) -> RobotSpec:
    """The embodiment as data.

    Args:
        options: of the robot.
        robot: in its pose.
        pose: joint to rad.
        torso: name of the body whose tilt counts as stability.
        limits: driven joint to its largest torque, N m.
        armatures: joint to what its motor adds, kg m^2.
    """
    name = options.path.stem if options.path is not None else ""
    height = float(robot.data.qpos[2])
    seconds = standing.reference_seconds(robot.model, robot.feet)
    return RobotSpec(
        name=name.lower(),
        prompt_name=options.prompt_name or name.replace("_", " ").replace("-", " "),
        root=robot.root,
        torso=torso,
        actuators=make_actuators(options, robot, limits, armatures),
        standing_pose=pose,
        standing_height=height,
        feet=robot.feet,
        camera=choose_camera(options, standing.frame_camera(robot.model, robot.data, robot.root, robot.feet)),
        fall=FallLimits(options.min_height or FALLEN * height, options.max_roll, options.max_pitch),
        reference_seconds=options.reference_seconds or seconds,
    )


def make_actuators(
    options: MjcfOptions, robot: StandingRobot, limits: Mapping[str, float], armatures: Mapping[str, float]
) -> tuple[Actuator, ...]:
    """Torque limits, gains and action ranges of the driven joints, in their order."""
    model, data = robot.model, robot.data
    in_legs = _joints_of_legs(robot)
    made = []
    for joint, found in limits.items():
        limit = actuators.chosen(options.torque_limit, joint, found)
        armature = armatures.get(joint, 0.0)
        derived = actuators.stiffness(model, data, joint, joint in in_legs, limit, armature)
        kp = actuators.chosen(options.kp, joint, derived)
        kd = actuators.chosen(options.kd, joint, actuators.damping(model, joint, kp, armature))
        action_range = actuators.chosen(options.action_range, joint, actuators.action_range(model, joint))
        if limit == float("inf"):
            limit = kp * actuators.UNLIMITED_ERROR
        made.append(Actuator(joint, limit, kp, kd, action_range))
    return tuple(made)


def _check_names(kind: str, wanted: Sequence[str], present: Sequence[str]) -> None:
    """Raises ConfigError where an option names what the model does not have."""
    if missing := [name for name in wanted if name not in present]:
        names = [name for name in present if name]  # the floor has none
        raise ConfigError(f"the model has no {kind} named {', '.join(missing)}", f"it has: {', '.join(names[:40])}")
