"""Construction of scenes: robot, floor, light, actuators and standing pose."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from nil_core.config import ControlMode
from nil_core.errors import DataError
from nil_core.interfaces import Robot
from nil_core.sim.meshes import compiled, decimate_visuals
from nil_core.sim.renderer import FLOOR_GROUP, Renderer
from nil_core.storage.cache import fingerprint
from nil_core.types import Doubles, Frames, Masks, Progress, RobotSpec, no_progress

FLOOR = "floor"
SETTLE_ROUNDS = 8
SETTLE_SECONDS = 2.0  # long enough for a humanoid, which sways slowly on its ankles, to come to rest
SETTLE_GAIN = 0.5  # at 1 a humanoid topples: leaning adds to the sag that is corrected


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
        decimate_visuals(draft, spec.camera.pixel(render_size))
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


def settle(model: mujoco.MjModel, spec: RobotSpec) -> tuple[Doubles, Doubles]:
    """Find the pose in which the robot comes to rest, and the PD targets that compensate its weight there.

    Repeatedly simulates the standing robot and moves each target against the sag of its joint. Returns the round in
    which the joints came closest to the standing pose.

    Returns:
        settled qpos (nq,) at x = y = 0, and targets (nu,) in rad.

    Raises:
        DataError: it falls.
    """
    data = mujoco.MjData(model)
    addresses = np.array([model.joint(a.joint).qposadr[0] for a in spec.actuators])
    for name, angle in spec.standing_pose.items():
        data.qpos[model.joint(name).qposadr[0]] = angle
    data.qpos[2] = spec.standing_height
    home = data.qpos[addresses].copy()
    root = model.body(spec.root).id
    targets, least, settled = home, np.inf, None
    for _ in range(SETTLE_ROUNDS):
        data.ctrl[:] = targets
        mujoco.mj_step(model, data, round(SETTLE_SECONDS / model.opt.timestep))
        height, upright = data.xpos[root][2], data.xmat[root].reshape(3, 3)[2, 2]
        if not (height > spec.fall.min_height and upright > 0.9):
            break
        sag = home - data.qpos[addresses]
        if np.abs(sag).max() < least:
            least, settled = np.abs(sag).max(), (data.qpos.copy(), targets)
        targets = targets + SETTLE_GAIN * sag
    if settled is None:
        raise DataError(
            f"{spec.name} does not hold its standing pose: its root sank to {height:.2f} m",
            "check standing_pose, standing_height and the PD gains of its spec",
        )
    settled[0][:2] = 0.0
    return settled


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
            raise DataError(
                f"the model of {spec.name} has no {kind} named {', '.join(missing)}",
                f"its spec must use the model's names: {', '.join(sorted(n for n in present[kind] if n)[:40])}",
            )


def _add_surroundings(draft: mujoco.MjSpec, timestep: float, render_size: int) -> None:
    draft.option.timestep = timestep
    draft.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    checker = draft.add_texture(
        name="floor",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=[0.22, 0.28, 0.34],
        rgb2=[0.16, 0.21, 0.26],
        width=256,
        height=256,
    )
    tiles = draft.add_material(name="floor", texrepeat=[2, 2], texuniform=True, reflectance=0.05)
    tiles.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = checker.name
    draft.worldbody.add_geom(
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
        name="sun", type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, pos=[1, -1, 4], dir=[-0.2, 0.4, -1.0]
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
        actuator = draft.add_actuator(name=a.joint, trntype=mujoco.mjtTrn.mjTRN_JOINT, target=a.joint)
        if control == "pd":
            actuator.set_to_position(kp=a.kp, kv=a.kd)
        else:
            actuator.set_to_motor()
            actuator.ctrllimited = True
            actuator.ctrlrange = [-a.torque_limit, a.torque_limit]
        actuator.forcelimited = True
        actuator.forcerange = [-a.torque_limit, a.torque_limit]
