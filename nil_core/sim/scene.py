"""Construction of scenes: robot, floor, light, actuators and standing pose."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import mujoco
import numpy as np

from nil_core.config import ControlMode
from nil_core.errors import DataError, MachineError
from nil_core.interfaces import Robot
from nil_core.sim.defaults import plain_default
from nil_core.sim.likeness import simplification_error
from nil_core.sim.meshes import compiled, decimate_visuals
from nil_core.sim.renderer import FLOOR_GROUP, Renderer
from nil_core.sim.settle import settle
from nil_core.storage.cache import fingerprint
from nil_core.types import Doubles, Frames, Masks, Progress, RobotSpec, no_progress

_log = logging.getLogger(__name__)

FLOOR = "floor"


@dataclass(frozen=True)
class RobotScene:
    """A compiled scene, ready for simulation and rendering (implements :class:`nil_core.types.Scene`).

    Attributes:
        spec: the robot as data.
        model: the compiled model; actuator i drives ``spec.actuators[i]``.
        standing_qpos: float64 (nq,), settled under the robot's own weight, at x = y = 0.
        standing_ctrl: float64 (nu,), the control of action 0: PD targets (rad) that compensate the robot's weight, so
            that it keeps standing, or zero torque.
        action_scale: float64 (nu,), what an action of 1 adds: rad of target, or N m.
        render_size: side of frames in pixels.
    """

    spec: RobotSpec
    model: mujoco.MjModel
    standing_qpos: Doubles
    standing_ctrl: Doubles
    action_scale: Doubles
    render_size: int

    def render(self, qpos: Doubles, progress: Progress = no_progress) -> tuple[Frames, Masks]:
        """Render poses with the follow camera, robot only on black: frames (T, S, S, 3) and masks (T, S, S)."""
        data = mujoco.MjData(self.model)
        size = self.render_size
        frames = np.empty((len(qpos), size, size, 3), np.uint8)
        masks = np.empty((len(qpos), size, size), np.bool_)
        renderer = Renderer(self.model, size, self.spec.camera, self.spec.root)
        try:
            for i, pose in enumerate(qpos):
                data.qpos[:] = pose
                mujoco.mj_kinematics(self.model, data)
                mujoco.mj_camlight(self.model, data)
                renderer.draw(data, frames[i], masks[i])
                progress(i + 1, len(qpos), "frames drawn")
        finally:
            renderer.close()
        return frames, masks


def compose(robot: Robot, control: ControlMode, timestep: float, render_size: int, simplify: bool = True) -> RobotScene:
    """Build the robot's model into a scene and let it settle into its standing pose.

    Args:
        robot: the embodiment.
        control: ``pd`` (position targets about the standing pose) or ``torque``.
        timestep: physics step in seconds.
        render_size: side of rendered frames.
        simplify: decimate visual meshes, but not colliders, for faster rendering.

    Raises:
        DataError: the model does not match its spec, or the robot cannot hold its standing pose.
    """
    spec = robot.spec
    draft = robot.build()
    _check_names(draft, spec)
    if simplify:
        draft = _simplified(draft, robot, render_size)
    _add_surroundings(draft, timestep, render_size)
    _add_actuators(draft, spec, "pd")
    model = compiled(draft)
    qpos, targets = settle(model, spec)
    limits = np.array([a.torque_limit for a in spec.actuators])
    if control == "pd":
        ranges = np.array([a.action_range for a in spec.actuators])
        return RobotScene(spec, model, qpos, targets, ranges, render_size)
    _add_actuators(draft, spec, "torque")
    return RobotScene(spec, draft.compile(), qpos, np.zeros(len(limits)), limits, render_size)


def scene_fingerprint(scene: RobotScene) -> str:
    """Hash of the compiled model, the standing pose and the camera."""
    buffer = np.empty(mujoco.mj_sizeModel(scene.model), np.uint8)
    mujoco.mj_saveModel(scene.model, None, buffer)
    return fingerprint(buffer, scene.standing_qpos, repr(scene.spec), scene.render_size)


def _simplified(draft: mujoco.MjSpec, robot: Robot, render_size: int) -> mujoco.MjSpec:
    """The robot's model (used up) with visual meshes of few triangles, if it looks the same with them."""
    spec = robot.spec
    found = decimate_visuals(draft, spec.camera.pixel(render_size))
    if found is None:
        return draft
    try:
        error = simplification_error(
            compiled(draft), lambda: found.original or compiled(robot.build()), spec, render_size
        )
    except MachineError:  # whoever draws is told; physics needs no pictures
        return draft
    if error.seen:
        _log.warning(
            "the simplified meshes of %s look different (%.0f %% of its pixels, color %.0f %%): "
            "it is drawn with those of its file, which takes longer",
            spec.name, 100 * error.outline, 100 * error.color,
        )  # fmt: skip
        return robot.build()
    return draft


def _check_names(draft: mujoco.MjSpec, spec: RobotSpec) -> None:
    present = {
        "body": {b.name for b in draft.bodies},
        "joint": {j.name for j in draft.joints},
        "geom": {g.name for g in draft.geoms},
    }
    wanted = {
        "body": {spec.root, spec.torso},
        "joint": {a.joint for a in spec.actuators} | set(spec.standing_pose),
        "geom": set(spec.feet),
    }
    for kind, names in wanted.items():
        if missing := sorted(names - present[kind]):
            named = sorted(name for name in present[kind] if name)
            raise DataError(
                f"the model of {spec.name} has no {kind} named {', '.join(missing)}",
                f"its spec must use the model's names: {', '.join(named[:40])}"
                if named
                else f"no {kind} of the model has a name: its build() must give some",
            )


def _add_surroundings(draft: mujoco.MjSpec, timestep: float, render_size: int) -> None:
    draft.option.timestep = timestep
    draft.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    plain = plain_default()
    checker = draft.add_texture(
        plain,
        name="floor",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=[0.22, 0.28, 0.34],
        rgb2=[0.16, 0.21, 0.26],
        width=256,
        height=256,
    )
    tiles = draft.add_material(plain, name="floor", texrepeat=[2, 2], texuniform=True, reflectance=0.05)
    tiles.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = checker.name
    draft.worldbody.add_geom(
        plain,
        name=FLOOR,
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[0, 0, 0.05],
        material=tiles.name,
        group=FLOOR_GROUP,
        contype=1,
        conaffinity=1,
        friction=[1.0, 0.005, 0.0001],
    )
    for light in list(draft.lights):
        draft.delete(light)
    draft.worldbody.add_light(
        plain, name="sun", type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, pos=[1, -1, 4], dir=[-0.2, 0.4, -1.0]
    )
    draft.visual.headlight.ambient = [0.3, 0.3, 0.3]
    draft.visual.headlight.diffuse = [0.6, 0.6, 0.6]
    draft.visual.headlight.specular = [0.0, 0.0, 0.0]
    draft.visual.global_.offwidth = draft.visual.global_.offheight = render_size
    draft.visual.quality.offsamples = 0


def _add_actuators(draft: mujoco.MjSpec, spec: RobotSpec, control: ControlMode) -> None:
    for old in list(draft.actuators):
        draft.delete(old)
    for a in spec.actuators:
        actuator = draft.add_actuator(plain_default(), name=a.joint, trntype=mujoco.mjtTrn.mjTRN_JOINT, target=a.joint)
        if control == "pd":
            actuator.set_to_position(kp=a.kp, kv=a.kd)
        else:
            actuator.set_to_motor()
            actuator.ctrllimited = True
            actuator.ctrlrange = [-a.torque_limit, a.torque_limit]
        actuator.forcelimited = True
        actuator.forcerange = [-a.torque_limit, a.torque_limit]
