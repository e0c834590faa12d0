"""A small quadruped without files, a scene that draws it without OpenGL, and a request for a video of it."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from nil_core.interfaces import Robot
from nil_core.sim.scene import RobotScene, compose
from nil_core.types import (
    Actuator,
    Camera,
    Doubles,
    FallLimits,
    Frames,
    GenerationRequest,
    Masks,
    Progress,
    RobotSpec,
    no_progress,
)

LEGS = {"FR": (0.18, -0.08), "FL": (0.18, 0.08), "RR": (-0.18, -0.08), "RL": (-0.18, 0.08)}
JOINTS = tuple(f"{leg}_{part}" for leg in LEGS for part in ("hip", "thigh", "calf"))
VISUAL, COLLIDER = 'group="2" contype="0" conaffinity="0" mass="0"', 'group="3" contype="0" conaffinity="1"'


class ToyQuadruped:
    """A robot of 12 joints made of boxes and capsules: about 10 kg, stands 0.29 m high."""

    def __init__(self) -> None:
        self.spec = RobotSpec(
            name="toy",
            prompt_name="toy quadruped",
            root="trunk",
            torso="trunk",
            actuators=tuple(Actuator(joint, torque_limit=30.0, kp=60.0, kd=2.0) for joint in JOINTS),
            standing_pose={joint: {"hip": 0.0, "thigh": 0.8, "calf": -1.6}[joint[3:]] for joint in JOINTS},
            standing_height=0.4 * np.cos(0.8) + 0.02,
            feet=tuple(f"{leg}_foot" for leg in LEGS),
            camera=Camera(distance=1.6, height=0.25),
            fall=FallLimits(min_height=0.15),
        )

    def build(self) -> Any:
        """The robot alone, as a new ``mujoco.MjSpec``."""
        trunk = 'type="box" size="0.2 0.06 0.05"'
        return mujoco.MjSpec.from_string(
            f"""<mujoco model="toy"><compiler angle="radian"/><worldbody><body name="trunk">
            <freejoint name="root"/><geom {trunk} {VISUAL}/><geom {trunk} {COLLIDER} mass="6"/>
            {"".join(_leg(name, x, y) for name, (x, y) in LEGS.items())}
            </body></worldbody></mujoco>"""
        )


def _leg(name: str, x: float, y: float) -> str:
    joint = 'damping="0.5" armature="0.01"'
    link = 'type="capsule" fromto="0 0 0 0 0 -0.2" size="0.018"'
    return f"""<body name="{name}_hip" pos="{x} {y} 0">
        <joint name="{name}_hip" axis="1 0 0" range="-0.8 0.8" {joint}/><geom size="0.03" {VISUAL}/>
        <inertial pos="0 0 0" mass="0.4" diaginertia="0.001 0.001 0.001"/>
      <body name="{name}_thigh">
        <joint name="{name}_thigh" axis="0 1 0" range="-1 3" {joint}/><geom {link} {VISUAL}/>
        <geom {link} {COLLIDER} mass="0.4"/>
      <body name="{name}_calf" pos="0 0 -0.2">
        <joint name="{name}_calf" axis="0 1 0" range="-2.7 -0.5" {joint}/><geom {link} {VISUAL}/>
        <geom {link} {COLLIDER} mass="0.15"/>
        <geom name="{name}_foot" pos="0 0 -0.2" size="0.02" {COLLIDER} mass="0.05"/>
      </body></body></body>"""


class BlobScene(RobotScene):
    """A composed scene that draws every visual geom as a disc, seen from the side: no OpenGL."""

    def render(self, qpos: Doubles, progress: Progress = no_progress) -> tuple[Frames, Masks]:
        """Draw poses (T, nq): frames uint8 (T, S, S, 3) and masks bool (T, S, S)."""
        data = mujoco.MjData(self.model)
        geoms = np.flatnonzero(self.model.geom_group == 2)
        root = self.model.body(self.spec.root).id
        meters = self.spec.camera.distance * np.linspace(-0.5, 0.5, self.render_size)
        masks = np.zeros((len(qpos), self.render_size, self.render_size), np.bool_)
        for i, pose in enumerate(qpos):
            data.qpos[:] = pose
            mujoco.mj_kinematics(self.model, data)
            for geom in geoms:
                x, _, z = data.geom_xpos[geom] - (*data.xpos[root, :2], self.spec.camera.height)
                radius = 0.6 * self.model.geom_rbound[geom]
                masks[i] |= (meters - x) ** 2 + (-meters[:, None] - z) ** 2 <= radius**2
            progress(i + 1, len(qpos), "poses drawn")
        return np.where(masks[..., None], np.array([200, 180, 160], np.uint8), np.uint8(0)), masks


def toy_scene(robot: Robot | None = None, size: int = 64) -> BlobScene:
    """A settled scene for generators that draw the robot themselves.

    Args:
        robot: the embodiment; a :class:`ToyQuadruped` unless given.
        size: side of its frames in pixels.
    """
    return BlobScene(**vars(compose(robot or ToyQuadruped(), "pd", 0.002, size, simplify=False)))


def toy_request(
    scene: BlobScene | None = None, skill: str = "walking", seconds: float = 1.0, seed: int = 0
) -> GenerationRequest:
    """What the core would ask a generator for: 25 frames a second of a robot that stands in the first one.

    Args:
        scene: a :func:`toy_scene`, made here unless given; the request carries it.
        skill: the verb of the prompt.
        seconds: length.
        seed: for generators that can be seeded.
    """
    scene = scene or toy_scene()
    frames, masks = scene.render(scene.standing_qpos[None])
    prompt = f"The {scene.spec.prompt_name} agent is {skill}, camera follows."
    return GenerationRequest(prompt, skill, frames[0], masks[0], fps=25.0, seconds=seconds, seed=seed, scene=scene)
