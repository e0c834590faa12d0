"""Some environments, stepped and drawn one after the other in one process."""

from __future__ import annotations

import time

from dm_control.rl.control import PhysicsError

from nil_core.errors import NumericalError
from nil_core.sim.buffers import StepBuffers
from nil_core.sim.environment import EnvSpec, ImitationEnvironment, State
from nil_core.sim.renderer import Renderer


class LocalEnvs:
    """Environments, a renderer, and where their results go.

    Args:
        plan: what they all are.
        buffers: one place for each.
        render: draw frames and masks at ticks.
        measure: fill ``measurements``.
    """

    def __init__(self, plan: EnvSpec, buffers: StepBuffers, render: bool, measure: bool) -> None:
        self.envs = [ImitationEnvironment(plan, 0) for _ in buffers.tick]
        self._slots = buffers
        self._measure = measure
        self._per_tick = plan.settings.control_steps_per_tick
        scene = plan.scene
        self._renderer = (
            Renderer(scene.model, scene.render_size, scene.spec.camera, scene.spec.root) if render else None
        )

    def reset(self) -> None:
        """Start every episode anew."""
        for i, environment in enumerate(self.envs):
            self._start(i)
            self._slots.qpos[i] = environment.data.qpos
        self._slots.final_observations[:] = self._slots.observations

    def step(self) -> None:
        """One control step of every environment, with the actions in the buffers."""
        buffers = self._slots
        for i, environment in enumerate(self.envs):
            began = time.perf_counter()
            result = environment.step(buffers.actions[i])
            task, data = environment.task_, environment.data
            observation = environment.observe(result)
            buffers.observations[i] = buffers.final_observations[i] = observation
            buffers.terminated[i] = result.last() and result.discount == 0.0
            buffers.truncated[i] = result.last() and result.discount != 0.0
            buffers.speed[i] = data.qvel[0]
            buffers.environment_reward[i] = result.reward
            buffers.qpos[i] = data.qpos
            buffers.ticked[i] = ticked = result.last() or task.step_count % self._per_tick == 0
            buffers.tick[i] = -(-task.step_count // self._per_tick)
            if self._measure:
                task.measure(data).pack_into(buffers.measurements[i])
            stepped = time.perf_counter()
            if ticked and self._renderer is not None:
                self._renderer.draw(data, buffers.frames[i], buffers.masks[i])
            drawn = time.perf_counter()
            buffers.busy[i] = stepped - began, drawn - stepped
            if result.last():
                self._start(i)
                buffers.busy[i, 1] += time.perf_counter() - drawn

    def restore(self, states: State) -> None:
        """Go on from saved states; ``observations`` follow."""
        for i, environment in enumerate(self.envs):
            environment.restore(states[i])
            task = environment.task_
            self._slots.observations[i] = task.observer.observe(environment.data, task.action, task.step_count)

    def execute(self, command: str, states: State, buffer_index: int) -> None:
        """Do what the command says, and then write the states it led to.

        Args:
            command: ``reset``, ``step`` or ``restore``.
            states: (state buffers, N).
            buffer_index: where the states are that the environments stand in, or shall go on from; the other buffer_index is written.

        Raises:
            NumericalError: the simulation became unstable; no state is written.
        """
        if command == "restore":
            self.restore(states[buffer_index])
        else:
            try:
                self.reset() if command == "reset" else self.step()
            except PhysicsError as error:
                raise NumericalError(
                    f"the simulation became unstable: {error}",
                    "a smaller environment.timestep or weaker gains may help",
                ) from None
        for i, environment in enumerate(self.envs):
            states[1 - buffer_index, i] = environment.state()

    def close(self) -> None:
        """Free the renderer."""
        if self._renderer is not None:
            self._renderer.close()

    def _start(self, i: int) -> None:
        environment = self.envs[i]
        self._slots.observations[i] = environment.observe(environment.reset())
        self._slots.start_tick[i] = environment.task_.start_tick
        if self._renderer is not None:
            self._renderer.draw(environment.data, self._slots.start_frames[i], self._slots.start_masks[i])
