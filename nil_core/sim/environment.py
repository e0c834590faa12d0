"""Simulated environment: ``dm_env`` semantics on ``dm_control``.

An episode starts at rest in the standing pose, where the reference starts, or, while training, anywhere in the motion
of the reference (``nil_core.sim.starts``). It ends with the reference (a time limit: discount 1), or with a fall
or a large deviation from that motion (discount 0). The environment's own reward is LocoMuJoCo's
``exp(-(v - v_ref)^2)`` of the forward speed, a metric. The training reward needs pixels and is computed elsewhere
(``nil_core.reward``).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import dm_env
import mujoco
import numpy as np
import numpy.typing as npt
from dm_control import mujoco as dm_mujoco
from dm_control.mujoco import wrapper
from dm_control.rl import control
from dm_env import specs

from nil_core.config import EnvironmentSettings
from nil_core.measurements import Measurements
from nil_core.sim.deviation import Deviation
from nil_core.sim.observation import Observer
from nil_core.sim.scene import FLOOR, RobotScene
from nil_core.sim.starts import Starts, StartSampler
from nil_core.types import Doubles, FallLimits, Flags, Floats

State = npt.NDArray[np.void]
"""Records, one for each environment: see :attr:`ImitationEnvironment.state_type`."""

_STATE_KIND = mujoco.mjtState.mjSTATE_INTEGRATION  # includes the solver's warm start


@dataclass(frozen=True)
class EnvSpec:
    """Everything that defines an environment except its random state; plain data that can be sent to a worker.

    Attributes:
        scene: the compiled scene.
        settings: rates, noise, observation.
        ticks: ticks in a full episode.
        preview: float32 (ticks + 1, P), for the observation.
        target_speed: m/s, v_ref of the environment reward; None if unknown (the reward is then 0).
        base: float64 (control steps, nu), the control of action 0 at each control step, from
            :func:`nil_core.sim.base.action_base`; None: that of the standing pose at every step.
        starts: where in the motion of the reference episodes may start; None: all start at rest at its beginning.
        deviation: how far episodes may deviate from that motion; None: until they fall.
    """

    scene: RobotScene
    settings: EnvironmentSettings
    ticks: int
    preview: Floats
    target_speed: float | None
    base: Doubles | None = None
    starts: Starts | None = None
    deviation: Deviation | None = None

    @property
    def control_steps(self) -> int:
        """Control steps in a full episode."""
        return self.ticks * self.settings.control_steps_per_tick

    def observer(self) -> Observer:
        """A new observer of its environments."""
        return Observer(self.scene, self.settings.observation, self.ticks, self.control_steps, self.preview)


class ImitationTask(control.Task):
    """Start, actions, observations and endings of an episode (the ``dm_control`` task)."""

    def __init__(self, env_spec: EnvSpec, random: np.random.Generator) -> None:
        scene = env_spec.scene
        self.env_spec = env_spec
        self.random = random
        self.observer = env_spec.observer()
        self.sampler = None if env_spec.starts is None else StartSampler(env_spec.starts, scene)
        self.step_count = 0
        self.start_tick = 0
        self.last_action = np.zeros(scene.model.nu)
        self.action = np.zeros(scene.model.nu)
        self.feet = Feet(scene)
        self.joint_names = tuple(actuator.joint for actuator in scene.spec.actuators)
        self._torque_limits = np.array([actuator.torque_limit for actuator in scene.spec.actuators])

    def action_spec(self, physics: Any) -> specs.BoundedArray:
        """Actions in [-1, 1]."""
        size = self.env_spec.scene.model.nu
        return specs.BoundedArray((size,), np.float32, minimum=-np.ones(size), maximum=np.ones(size), name="action")

    def initialize_episode(self, physics: Any) -> None:
        """Start in a sampled state of the motion, or at rest in the standing pose with a little joint noise."""
        self.last_action[:] = 0.0
        self.action[:] = 0.0
        self.feet.reset()
        data = physics.data.ptr
        tick = None if self.sampler is None else self.sampler.draw(self.random)
        self.start_tick = tick or 0
        self.step_count = self.start_tick * self.env_spec.settings.control_steps_per_tick
        if self.sampler is None or tick is None:
            self._stand(data)
        else:
            self.sampler.place(data, tick, self.random)
        data.ctrl[:] = self._base

    def _stand(self, data: mujoco.MjData) -> None:
        scene, noise = self.env_spec.scene, self.env_spec.settings.reset_noise
        data.qpos[:] = scene.standing_qpos
        data.qpos[self.observer.qpos_addresses] += self.random.uniform(-noise, noise, scene.model.nu)

    @property
    def _base(self) -> Doubles:
        """(nu,), the control of action 0 in the next control step."""
        env_spec = self.env_spec
        return env_spec.scene.standing_ctrl if env_spec.base is None else np.asarray(env_spec.base[self.step_count])

    def before_step(self, action: Floats, physics: Any) -> None:
        """Convert the action to control."""
        self.last_action[:] = self.action
        np.clip(action, -1.0, 1.0, out=self.action)
        physics.data.ptr.ctrl[:] = self._base + self.env_spec.scene.action_scale * self.action

    def after_step(self, physics: Any) -> None:
        """Count the step."""
        self.step_count += 1

    def get_observation(self, physics: Any) -> OrderedDict[str, Floats]:
        """The observation as one flat vector."""
        row = self.observer.observe(physics.data.ptr, self.action, self.step_count)
        return OrderedDict(observation=row)

    def get_reward(self, physics: Any) -> float:
        """LocoMuJoCo's reward of the forward speed, as a metric (0 without a target)."""
        target = self.env_spec.target_speed
        return 0.0 if target is None else float(np.exp(-((physics.data.ptr.qvel[0] - target) ** 2)))

    def get_termination(self, physics: Any) -> float | None:
        """0 at a fall or large deviation, 1 at the end of the reference, else None; call once per control step."""
        env_spec, data, root = self.env_spec, physics.data.ptr, self.observer.root
        failed = fallen(data, root, env_spec.scene.spec.fall) or (
            env_spec.deviation is not None and env_spec.deviation.exceeded(data, root, self.step_count)
        )
        if not failed and self.step_count < env_spec.control_steps:
            return None
        if self.sampler is not None:
            end = self.step_count // env_spec.settings.control_steps_per_tick
            self.sampler.note_end(self.start_tick, end, failed)
        return 0.0 if failed else 1.0

    def measure(self, data: mujoco.MjData) -> Measurements:
        """Inputs of the reward's state terms. It tracks feet over time: call it once per control step."""
        scene = self.env_spec.scene
        speed, air, contacts = self.feet.watch(data, 1.0 / self.env_spec.settings.control_hz)
        upright = data.xmat[self.observer.torso][8]
        return Measurements(
            torque=data.actuator_force / self._torque_limits,
            action=self.action,
            last_action=self.last_action,
            joint_velocity=data.qvel[self.observer.qvel_addresses],
            foot_speed=speed,
            air_time=air,
            tilt=np.array([np.arccos(np.clip(upright, -1.0, 1.0))]),
            joint_names=self.joint_names,
            joint_position=data.qpos[self.observer.qpos_addresses],
            root_position=data.qpos[:3],
            root_velocity=data.qvel[:3],
            root_angular_velocity=data.qvel[3:6],
            contacts=contacts,
            model=scene.model,
            data=data,
        )


class Feet:
    """Tracks which feet are loaded, how fast those slip, and how long the others were in the air."""

    def __init__(self, scene: RobotScene) -> None:
        model = scene.model
        geoms = [model.geom(name).id for name in scene.spec.feet]
        bodies = list(dict.fromkeys(int(model.geom_bodyid[g]) for g in geoms))
        self.count = len(bodies)
        self._geoms = [next(g for g in geoms if model.geom_bodyid[g] == body) for body in bodies]
        self._floor = model.geom(FLOOR).id
        self._foot_of_geom = np.full(model.ngeom, -1)
        for geom in geoms:
            self._foot_of_geom[geom] = bodies.index(int(model.geom_bodyid[geom]))
        self._model = model
        self.airborne = np.zeros(self.count)
        self._velocity = np.zeros(6)

    def reset(self) -> None:
        """Reset the air time of all feet."""
        self.airborne[:] = 0.0

    def loaded(self, data: mujoco.MjData) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """bool (F,): which feet touch the floor."""
        loaded = np.zeros(self.count, np.bool_)
        pairs = data.contact.geom[data.contact.dist < 0.0] if data.ncon else np.empty((0, 2), np.int32)
        touching = self._foot_of_geom[pairs[(pairs == self._floor).any(axis=1)]].ravel()
        loaded[touching[touching >= 0]] = True
        return loaded

    def watch(self, data: mujoco.MjData, seconds: float) -> tuple[Doubles, Doubles, Flags]:
        """Slip speed (F,) in m/s of loaded feet, air time (F,) in s at touch-down, and loaded feet (F,)."""
        loaded = self.loaded(data)
        speed = np.zeros(self.count)
        for foot in np.flatnonzero(loaded):
            geom = mujoco.mjtObj.mjOBJ_GEOM
            mujoco.mj_objectVelocity(self._model, data, geom, self._geoms[foot], self._velocity, 0)
            speed[foot] = np.hypot(self._velocity[3], self._velocity[4])
        air = np.where(loaded, self.airborne, 0.0)
        self.airborne = np.where(loaded, 0.0, self.airborne + seconds)
        return speed, air, loaded


class ImitationEnvironment(control.Environment):
    """A ``dm_env`` environment that can also be saved and restored exactly.

    Args:
        env_spec: scene, rates, observation.
        seed: of the start noise.

    Attributes:
        state_type: dtype of the record that :meth:`state` returns, 1 to 3 kB.
    """

    def __init__(self, env_spec: EnvSpec, seed: int | np.random.SeedSequence) -> None:
        self.task_: ImitationTask = ImitationTask(env_spec, np.random.default_rng(seed))
        physics = dm_mujoco.Physics.from_model(wrapper.MjModel(env_spec.scene.model))
        super().__init__(physics, self.task_, n_sub_steps=env_spec.settings.substeps)
        self.env_spec = env_spec
        model = env_spec.scene.model
        self._sampler = self.task_.sampler if env_spec.starts is not None and env_spec.starts.adaptive else None
        sampler_fields: list[tuple[Any, ...]] = []
        if self._sampler is not None:
            sampler_fields = [("start_tick", np.int64), ("failures", np.float64, self._sampler.failures.shape)]
        self.state_type = np.dtype(
            [
                ("physics", np.float64, (mujoco.mj_stateSize(model, _STATE_KIND),)),
                ("action", np.float64, (model.nu,)),
                ("last_action", np.float64, (model.nu,)),
                ("airborne", np.float64, (self.task_.feet.count,)),
                ("step_count", np.int64),
                ("reset_next_step", np.int64),
                ("random", np.uint64, (6,)),
                *sampler_fields,
            ]
        )

    @property
    def data(self) -> mujoco.MjData:
        """The simulator's state."""
        data: mujoco.MjData = self._physics.data.ptr
        return data

    def reset(self) -> dm_env.TimeStep:
        """Start an episode.

        dm_control computes a reset without actuation, and so without the velocities of actuators. At rest these are 0;
        for a start in motion they are computed here, as in :meth:`restore`.
        """
        step = super().reset()
        if self.task_.sampler is not None:
            mujoco.mj_step1(self.env_spec.scene.model, self.data)
        return step

    def observe(self, step: dm_env.TimeStep) -> Floats:
        """The flat observation of a time step."""
        observation: Floats = step.observation["observation"]
        return observation

    def state(self) -> State:
        """Everything that :meth:`restore` needs to continue exactly: one record () of :attr:`state_type`."""
        state, task = np.zeros((), self.state_type), self.task_
        mujoco.mj_getState(self.env_spec.scene.model, self.data, state["physics"], _STATE_KIND)
        state["action"], state["last_action"] = task.action, task.last_action
        state["airborne"] = task.feet.airborne
        state["step_count"], state["reset_next_step"] = task.step_count, self._reset_next_step
        state["random"] = random_words(task.random)
        if self._sampler is not None:
            state["start_tick"], state["failures"] = task.start_tick, self._sampler.failures
        return state

    def restore(self, state: State) -> None:
        """Restore a saved :meth:`state`."""
        model, task = self.env_spec.scene.model, self.task_
        mujoco.mj_setState(model, self.data, state["physics"], _STATE_KIND)
        # after a step of dm_control, only quantities of position and velocity are computed
        mujoco.mj_step1(model, self.data)
        task.action[:], task.last_action[:] = state["action"], state["last_action"]
        task.feet.airborne = np.array(state["airborne"])
        task.step_count = int(state["step_count"])
        self._reset_next_step = bool(state["reset_next_step"])
        _set_random_words(task.random, state["random"])
        if self._sampler is not None:
            task.start_tick, self._sampler.failures = int(state["start_tick"]), np.array(state["failures"])


def random_words(random: np.random.Generator) -> list[int]:
    """State of numpy's PCG64 as six 64-bit words: two 128-bit numbers, and a half-used 64-bit one."""
    state = random.bit_generator.state
    numbers = state["state"]["state"], state["state"]["inc"]
    return [*(word for n in numbers for word in divmod(n, 1 << 64)), state["has_uint32"], state["uinteger"]]


def _set_random_words(random: np.random.Generator, words: npt.NDArray[np.uint64]) -> None:
    """Restore what :func:`random_words` returned."""
    high, low, inc_high, inc_low, has_uint32, uinteger = (int(word) for word in words)
    random.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": high << 64 | low, "inc": inc_high << 64 | inc_low},
        "has_uint32": has_uint32,
        "uinteger": uinteger,
    }


def fallen(data: mujoco.MjData, root: int, limits: FallLimits) -> bool:
    """Whether the root is too low or leans too far; roll and pitch are Euler angles in the order yaw, pitch, roll."""
    rotation = data.xmat[root]
    pitch = np.arcsin(np.clip(-rotation[6], -1.0, 1.0))
    roll = np.arctan2(rotation[7], rotation[8])
    low = data.xpos[root][2] < limits.min_height
    return bool(low or abs(roll) > limits.max_roll or abs(pitch) > limits.max_pitch)


def upright_poses(scene: RobotScene, qpos: Doubles) -> Flags:
    """bool (T,): which poses (T, nq) do not count as fallen."""
    model, root = scene.model, scene.model.body(scene.spec.root).id
    data, upright = mujoco.MjData(model), np.zeros(len(qpos), np.bool_)
    for t, pose in enumerate(qpos):
        data.qpos[:] = pose
        mujoco.mj_kinematics(model, data)
        upright[t] = not fallen(data, root, scene.spec.fall)
    return upright
