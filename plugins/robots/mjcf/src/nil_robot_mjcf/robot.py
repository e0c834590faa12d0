"""Any legged robot: its model file reduced to the robot, and its spec derived from that."""

from __future__ import annotations

import logging

import mujoco

from nil_robot_mjcf import MjcfOptions
from nil_robot_mjcf.derivation import derive
from nil_robot_mjcf.geom_groups import sort_geoms
from nil_robot_mjcf.isolate import add_upright_frame, isolate
from nil_robot_mjcf.model_file import load
from nil_robot_mjcf.soles import replace_soles

log = logging.getLogger("nil.plugins.robot.mjcf")  # what is logged below nil.plugins, `nil run` shows


class MjcfRobot:
    """A robot from a file. What was derived is logged at the level INFO, which `nil run` and `nil generate` show.

    Attributes:
        spec: the embodiment as data, derived where the options are silent.

    Raises:
        ConfigError: no path, or an option that names what the model does not have.
        DataError: the file cannot serve, see :mod:`nil_robot_mjcf.model_file`.
    """

    def __init__(self, options: MjcfOptions) -> None:
        self._options = options
        self._derived = derive(options)
        self.spec = self._derived.spec
        log.info("%s", self.describe())

    def build(self) -> mujoco.MjSpec:
        """The robot alone, see :meth:`nil_core.api.Robot.build`."""
        derived = self._derived
        spec, _ = isolate(load(self._options), derived.file_root, derived.orientation)
        sort_geoms(spec, self._options.self_collision)
        replace_soles(spec, derived.soles)
        for joint, armature in derived.armatures.items():
            spec.joint(joint).armature = armature
        if derived.torso_orientation is not None:
            add_upright_frame(spec, derived.torso, derived.torso_orientation)
        return spec

    def describe(self) -> str:
        """The spec as text, one line for each thing derived or set."""
        s = self.spec
        lines = [
            f"robot {s.name} ({s.prompt_name}), from {self._options.path}",
            f"  root {s.root}, torso {s.torso}, standing height {s.standing_height:.3f} m, "
            f"pose: {self._derived.pose_source}",
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
        lines += [f"  note: {remark}" for remark in self._derived.remarks]
        return "\n".join(lines)
