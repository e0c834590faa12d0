"""Any legged robot: its model file stripped to the robot, and its spec derived from that."""

from __future__ import annotations

import logging

import mujoco
import numpy as np

from nil_core.api import Actuator, Camera, ConfigError, DataError, Doubles, FallLimits, RobotSpec
from nil_robot_mjcf import MjcfOptions, drives, standing
from nil_robot_mjcf.balance import balanced
from nil_robot_mjcf.geom_groups import sort_geoms
from nil_robot_mjcf.model_file import compile_model, load
from nil_robot_mjcf.robot_alone import LEVEL, UPRIGHT, add_upright_frame, find_root, isolate, tilt, turned

FALLEN = 0.6  # of the standing height
TO_BALANCE = 3  # joints of a leg: hip, knee and ankle place the foot and level its sole
BALANCING_ROUNDS = 2  # soles that lie flat may touch the floor with more geoms than those of the pose in the file

log = logging.getLogger("nil.plugins.robot.mjcf")  # what is logged below nil.plugins, `nil run` shows


class MjcfRobot:
    """A robot from a file. What was derived is logged at the level INFO, which `nil run` and `nil generate` show.

    Attributes:
        spec: the embodiment as data, derived where the options are silent.

    Raises:
        ConfigError: no path, or an option that names what the model does not have.
        DataError: the file cannot serve, see :mod:`nil_robot_mjcf.model_file`.
    """

    spec: RobotSpec

    def __init__(self, options: MjcfOptions) -> None:
        self._options = options
        whole = compile_model(load(options.path), options.path)
        self._file_root = find_root(whole, options.root)
        limits = drives.torque_limits(whole, self._file_root)
        if options.joints is not None:
            _check_names("joint", options.joints, [whole.joint(j).name for j in range(whole.njnt)])
            limits = {joint: limits.get(joint, float("inf")) for joint in options.joints}
        if not limits:
            raise DataError(
                "the model has no actuators that drive hinges",
                "add <actuator><motor joint=.../></actuator>, or --set 'robot.joints=[\"knee\"]'",
            )
        pose, self._quaternion, self._pose_source = standing.keyframe_pose(whole, self._file_root)
        if tilt(self._quaternion) < UPRIGHT:
            self._quaternion = np.array(LEVEL)
        if options.standing_pose:
            standing.check_limits(whole, options.standing_pose, "the option standing_pose")
        self._torso_frame: tuple[str, Doubles] | None = None
        self.spec = self._derive(limits, {**pose, **options.standing_pose})
        log.info("%s", self.describe())

    def build(self) -> mujoco.MjSpec:
        """The robot alone, see :meth:`nil_core.api.Robot.build`."""
        spec, _ = isolate(load(self._options.path), self._file_root, self._quaternion)
        sort_geoms(spec, self._options.self_collision)
        if self._torso_frame is not None:
            add_upright_frame(spec, *self._torso_frame)
        return spec

    def describe(self) -> str:
        """The spec as text, one line for each thing derived or set."""
        s = self.spec
        lines = [
            f"robot {s.name} ({s.prompt_name}), from {self._options.path}",
            f"  root {s.root}, torso {s.torso}, standing height {s.standing_height:.3f} m, pose: {self._pose_source}",
            f"  feet {', '.join(s.feet)}",
            f"  camera distance {s.camera.distance:.2f} m, height {s.camera.height:.2f} m, "
            f"azimuth {s.camera.azimuth:.0f}, elevation {s.camera.elevation:.0f}",
            f"  references of {s.reference_seconds:g} s",
            f"  fallen below {s.fall.min_height:.2f} m",
        ]
        lines += [
            f"  {a.joint}: stands at {s.standing_pose.get(a.joint, 0.0):.3f} rad, {a.torque_limit:.4g} N m, "
            f"kp {a.kp:.3g}, kd {a.kd:.3g}, action range {a.action_range:.2g} rad"
            for a in s.actuators
        ]
        return "\n".join(lines)

    def _derive(self, limits: dict[str, float], pose: dict[str, float]) -> RobotSpec:
        o = self._options
        model, data, root, feet = self._stand(limits, pose)
        heading = standing.find_heading(model, data, root, feet) if o.heading is None else np.radians(o.heading)
        if heading:
            self._quaternion = turned(self._quaternion, heading)
            model, data, root, feet = self._stand(limits, pose)
        for _ in range(BALANCING_ROUNDS):
            legs = standing.find_legs(model, data, root, feet, limits)
            if len(legs) == 2 and min(len(leg.joints) for leg in legs) >= TO_BALANCE:
                pose = self._balance(model, data, legs, pose)
                model, data, root, feet = self._stand(limits, pose)
        height = float(data.qpos[2])
        if o.torso is not None:
            _check_names("body", [o.torso], [model.body(b).name for b in range(model.nbody)])
        torso = o.torso or standing.find_torso(model, root, feet)
        if torso == self._file_root:
            torso = root  # the body that carries it, where there is one
        if tilt(data.body(torso).xquat) > UPRIGHT:
            self._torso_frame = (torso, data.body(torso).xquat.copy())
            torso = f"{torso}_upright"  # the name that add_upright_frame gives
        camera = standing.frame_camera(model, data, root, feet)
        name = o.path.stem if o.path is not None else ""
        return RobotSpec(
            name=name.lower(),
            prompt_name=o.prompt_name or name.replace("_", " ").replace("-", " "),
            root=root,
            torso=torso,
            actuators=self._actuators(model, data, root, feet, limits),
            standing_pose=pose,
            standing_height=height,
            feet=feet,
            camera=Camera(
                distance=o.camera_distance or camera.distance,
                height=camera.height if o.camera_height is None else o.camera_height,
                azimuth=camera.azimuth if o.camera_azimuth is None else o.camera_azimuth,
                elevation=camera.elevation if o.camera_elevation is None else o.camera_elevation,
            ),
            fall=FallLimits(o.min_height or FALLEN * height, o.max_roll, o.max_pitch),
            reference_seconds=o.reference_seconds or standing.reference_seconds(model, feet),
        )

    def _stand(
        self, limits: dict[str, float], pose: dict[str, float]
    ) -> tuple[mujoco.MjModel, mujoco.MjData, str, tuple[str, ...]]:
        """The robot alone in its pose on a floor, its root and its feet."""
        o = self._options
        draft, root = isolate(load(o.path), self._file_root, self._quaternion)
        sort_geoms(draft, o.self_collision)
        draft.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1])
        model = compile_model(draft, o.path)
        data = standing.stand(model, pose, o.standing_height)
        if o.feet is not None:
            _check_names("geom", o.feet, [model.geom(g).name for g in range(model.ngeom)])
        return model, data, root, o.feet or standing.find_feet(model, data, root, limits)

    def _balance(
        self, model: mujoco.MjModel, data: mujoco.MjData, legs: list[standing.Leg], pose: dict[str, float]
    ) -> dict[str, float]:
        """The pose, but that a biped stands in it; angles that the user set stay."""
        fixed = {model.joint(name).id for name in self._options.standing_pose}
        found = balanced(model, data, legs, fixed, narrow=self._pose_source == standing.OWN_POSE)
        return pose | found

    def _actuators(
        self, model: mujoco.MjModel, data: mujoco.MjData, root: str, feet: tuple[str, ...], limits: dict[str, float]
    ) -> tuple[Actuator, ...]:
        o = self._options
        bodies = [int(model.geom_bodyid[model.geom(foot).id]) for foot in feet]
        legs = {joint for body in bodies for joint in standing.joints_to(model, body, root)}
        actuators = []
        for joint, found in limits.items():
            limit = drives.chosen(o.torque_limit, joint, found)
            derived = drives.stiffness(model, data, joint, model.joint(joint).id in legs, limit)
            kp = drives.chosen(o.kp, joint, derived)
            kd = drives.chosen(o.kd, joint, drives.damping(model, joint, kp))
            reach = drives.chosen(o.action_range, joint, drives.action_range(model, joint))
            actuators.append(
                Actuator(
                    joint, min(limit, kp * drives.UNLIMITED_REACH) if limit == float("inf") else limit, kp, kd, reach
                )
            )
        return tuple(actuators)


def _check_names(kind: str, wanted: tuple[str, ...] | list[str], present: list[str]) -> None:
    """Raises ConfigError where an option names what the model does not have."""
    if missing := [name for name in wanted if name not in present]:
        raise ConfigError(f"the model has no {kind} named {', '.join(missing)}", f"it has: {', '.join(present[:40])}")
