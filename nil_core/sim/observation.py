"""What the agent sees, part by part. Every part is a switch of ``environment.observation``."""

from __future__ import annotations

import mujoco
import numpy as np

from nil_core.config import ObservationSettings
from nil_core.sim.scene import RobotScene
from nil_core.types import Doubles, Floats

VELOCITY_SCALE = 0.1  # rad/s of walking robots come to about 1
HEIGHT_SCALE = 10.0  # and so do centimeters
TURN_SCALE = 0.25  # of the root, which turns slower than joints do

MEANINGS = {
    "joint_positions": "rad, less the joint's home",
    "joint_velocities": f"rad/s times {VELOCITY_SCALE:g}",
    "gravity": "the direction of gravity in the torso's frame",
    "angular_velocity": f"of the root in its own frame, rad/s times {TURN_SCALE:g}",
    "linear_velocity": "of the root in its own frame, m/s",
    "height": f"of the root above its stand, m times {HEIGHT_SCALE:g}",
    "heading": "sine and cosine of the root's yaw, and its sideways drift in m",
    "last_action": "the action before, zeros at the start",
    "phase": "f = control step / control steps, sin(pi f), cos(pi f)",
    "preview": "the coming ticks of the reference, by control step",
}
"""What the parts of an observation are, in their order."""


class Observer:
    """Writes observations of one kind for any number of environments over one scene.

    Args:
        scene: the scene whose data it will read.
        settings: which parts are on.
        ticks: ticks in a full episode.
        control_steps: control steps in a full episode.
        preview: float32 (ticks + 1, P), what each moment of the reference looks like; (ticks + 1, 0) for none.

    Attributes:
        size: of an observation.
        layout: part by part, where it lies in an observation; in order.
    """

    def __init__(
        self, scene: RobotScene, settings: ObservationSettings, ticks: int, control_steps: int, preview: Floats
    ) -> None:
        model, spec = scene.model, scene.spec
        joints = [model.joint(a.joint).id for a in spec.actuators]
        self.qpos_addresses = np.array([model.jnt_qposadr[j] for j in joints])
        self.qvel_addresses = np.array([model.jnt_dofadr[j] for j in joints])
        self.root, self.torso = model.body(spec.root).id, model.body(spec.torso).id
        self._home = scene.standing_qpos[self.qpos_addresses]
        self._height = scene.standing_qpos[2]
        self._settings = settings
        self._control_steps = control_steps
        self._coming = _coming_rows(preview, settings.preview, ticks)
        self._ticks = ticks
        sizes = {name: len(part) for name, part in self._parts(_at_rest(scene), np.zeros(model.nu), 0).items()}
        ends = np.cumsum(list(sizes.values()))
        self.layout = {name: slice(int(end) - sizes[name], int(end)) for name, end in zip(sizes, ends, strict=True)}
        self.size = int(ends[-1])

    def observe(self, data: mujoco.MjData, last_action: Doubles, control_step: int) -> Floats:
        """One observation, float32 (size,).

        Args:
            data: with up-to-date positions and velocities.
            last_action: (nu,), zeros at the start of an episode.
            control_step: control steps since the start of the episode.
        """
        parts = self._parts(data, last_action, control_step)
        return np.concatenate(list(parts.values())).astype(np.float32)

    def coming(self, control_step: int) -> Doubles:
        """What the part ``preview`` holds then, (P times the ticks shown,)."""
        row: Doubles = self._coming[control_step * self._ticks // self._control_steps]
        return row

    def _parts(self, data: mujoco.MjData, last_action: Doubles, control_step: int) -> dict[str, Doubles]:
        """Those that are on, by their names in :data:`MEANINGS`."""
        s = self._settings
        rotation = data.xmat[self.root].reshape(3, 3)
        parts: dict[str, Doubles] = {}
        if s.joints:
            parts["joint_positions"] = data.qpos[self.qpos_addresses] - self._home
            parts["joint_velocities"] = data.qvel[self.qvel_addresses] * VELOCITY_SCALE
        if s.gravity:
            parts["gravity"] = -data.xmat[self.torso].reshape(3, 3)[2]
        if s.angular_velocity:
            parts["angular_velocity"] = data.qvel[3:6] * TURN_SCALE
        if s.linear_velocity:
            parts["linear_velocity"] = rotation.T @ data.qvel[:3]
        if s.height:
            parts["height"] = (data.qpos[2:3] - self._height) * HEIGHT_SCALE
        if s.heading:
            yaw = np.arctan2(rotation[1, 0], rotation[0, 0])
            parts["heading"] = np.array([np.sin(yaw), np.cos(yaw), data.qpos[1]])
        if s.last_action:
            parts["last_action"] = last_action
        if s.phase:
            fraction = control_step / self._control_steps
            parts["phase"] = np.array([fraction, np.sin(np.pi * fraction), np.cos(np.pi * fraction)])
        if self._coming.shape[1]:
            parts["preview"] = self.coming(control_step)
        return parts


def _coming_rows(preview: Floats, ahead: int, ticks: int) -> Doubles:
    """Row t: the preview's rows t + 1 ... t + ahead side by side, the last row held at the end."""
    if not ahead:
        return np.zeros((ticks + 1, 0))
    rows = np.minimum(np.arange(ticks + 1)[:, None] + 1 + np.arange(ahead), ticks)
    coming: Doubles = preview[rows].reshape(ticks + 1, -1).astype(np.float64)
    return coming


def _at_rest(scene: RobotScene) -> mujoco.MjData:
    data = mujoco.MjData(scene.model)
    data.qpos[:] = scene.standing_qpos
    mujoco.mj_forward(scene.model, data)
    return data
