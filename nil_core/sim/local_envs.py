"""Environments that are stepped and rendered one after the other in one process."""

from __future__ import annotations

import time
from collections.abc import Sequence

from dm_control.rl.control import PhysicsError

from nil_core.errors import NumericalError
from nil_core.measurements import StateTerm
from nil_core.sim.buffers import StepBuffers
from nil_core.sim.environment import EnvSpec, ImitationEnvironment, State
from nil_core.sim.renderer import Renderer


class LocalEnvs:
    """Environments and a renderer; the results are written to buffers.

    Args:
        spec: of all environments.
        buffers: with one row per environment.
        render: render frames and masks at ticks.
        state_terms: computed after every control step, for the reward.
    """

    def __init__(self, spec: EnvSpec, buffers: StepBuffers, render: bool, state_terms: Sequence[StateTerm]) -> None:
        self.envs = [ImitationEnvironment(spec, 0) for _ in buffers.tick]
        self._buffers = buffers
        self._state_terms = tuple(state_terms)
        self._per_tick = spec.settings.control_steps_per_tick
        scene = spec.scene
        self._renderer = (
            Renderer(scene.model, scene.render_size, scene.spec.camera, scene.spec.root) if render else None
        )

    def reset(self) -> None:
        """Reset every environment."""
        for i in range(len(self.envs)):
            self._start(i)
            self._buffers.qpos[i] = self._buffers.start_qpos[i]
            self._buffers.qvel[i] = self._buffers.start_qvel[i]
        self._buffers.final_observations[:] = self._buffers.observations

    def step(self) -> None:
        """One control step of every environment, with the actions in the buffers."""
        buffers = self._buffers
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
            buffers.qpos[i], buffers.qvel[i] = data.qpos, data.qvel
            buffers.ticked[i] = ticked = result.last() or task.step_count % self._per_tick == 0
            buffers.tick[i] = -(-task.step_count // self._per_tick)
            if self._state_terms:
                measured = task.measure(data)
                buffers.state_terms[i] = [term(measured) for term in self._state_terms]
            stepped = time.perf_counter()
            if ticked and self._renderer is not None:
                self._renderer.draw(data, buffers.frames[i], buffers.masks[i])
            drawn = time.perf_counter()
            buffers.busy[i] = stepped - began, drawn - stepped
            if result.last():
                self._start(i)
                buffers.busy[i, 1] += time.perf_counter() - drawn

    def restore(self, states: State) -> None:
        """Restore saved states, and compute ``observations``."""
        for i, environment in enumerate(self.envs):
            environment.restore(states[i])
            task = environment.task_
            self._buffers.observations[i] = task.observer.observe(environment.data, task.action, task.step_count)

    def execute(self, command: str, states: State, buffer_index: int) -> None:
        """Execute a command, and then write the resulting states.

        Args:
            command: ``reset``, ``step`` or ``restore``.
            states: (2, N).
            buffer_index: which of the two holds the states to continue from; the other one is written.

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
        self._buffers.observations[i] = environment.observe(environment.reset())
        self._buffers.start_tick[i] = environment.task_.start_tick
        self._buffers.start_qpos[i], self._buffers.start_qvel[i] = environment.data.qpos, environment.data.qvel
        if self._renderer is not None:
            self._renderer.draw(environment.data, self._buffers.start_frames[i], self._buffers.start_masks[i])
