"""Vectorized environments in worker processes with one GL context each; large data is in shared memory.

A process that dies or hangs is replaced. Its environments continue from their states after the last complete step and
repeat the lost step bit for bit, so that the run is not affected.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.sharedctypes import RawArray
from types import TracebackType
from typing import Self

import numpy as np

from nil_core.errors import MachineError
from nil_core.measurements import StateTerm
from nil_core.sim.buffers import SharedBuffers, StepBuffers
from nil_core.sim.environment import EnvSpec, ImitationEnvironment, State, random_words
from nil_core.sim.local_envs import LocalEnvs
from nil_core.sim.worker_process import Worker, WorkerLost, WorkerSpec, starting_workers
from nil_core.types import Floats

__all__ = ["State", "StepBuffers", "VectorEnv"]

MAX_REPLACEMENTS = 3  # per VectorEnv; more losses indicate a problem of the machine

_log = logging.getLogger(__name__)


class VectorEnv:
    """N environments over W worker processes: ``send`` actions, do other work, ``receive`` the results.

    After an error only ``restore`` synchronizes the environments again; ``state`` is that before the error.

    Args:
        spec: of the environments.
        num_envs: N.
        workers: W processes (at most N); 0 simulates in this process, inside ``receive``.
        seed: of all randomness in the environments.
        render: render frames and masks.
        state_terms: computed after every control step, for the reward; functions that can be imported by name.

    Attributes:
        observation_size, action_size: lengths of an observation and an action.
        layout: term by term, where it lies in an observation.

    Raises:
        MachineError: a worker cannot start, or more than ``MAX_REPLACEMENTS`` were lost.
    """

    def __init__(
        self,
        spec: EnvSpec,
        num_envs: int,
        workers: int,
        seed: int,
        render: bool = True,
        state_terms: Sequence[StateTerm] = (),
    ) -> None:
        first = ImitationEnvironment(spec, 0)
        self.observation_size = first.task_.observer.size
        self.layout = first.task_.observer.layout
        self.num_envs = num_envs
        self.action_size = spec.scene.model.nu
        terms = tuple(state_terms)
        memory = SharedBuffers.reserve(
            first, num_envs, len(terms), render, lambda size: RawArray("B", size) if workers else bytearray(size)
        )
        self.buffers, self._states, self._buffer_index = memory.step_buffers(), memory.states(), 0
        self._new_state = first.state()
        self._states[self._buffer_index] = self.initial_states(seed)
        shares = np.array_split(np.arange(num_envs), min(workers, num_envs)) if workers else []
        self._specs = [WorkerSpec(spec, memory, slice(int(s[0]), int(s[-1]) + 1), render, terms) for s in shares]
        self._command = ""
        self._replacements_left = 0  # workers that do not start are not replaced
        self._workers: list[Worker] = []
        self._local = None if workers else LocalEnvs(spec, self.buffers, render, terms)
        try:
            self._workers = self._start(range(len(self._specs)))
            self._run("restore")
        except BaseException:
            self.close()
            raise
        self._replacements_left = MAX_REPLACEMENTS

    def reset(self) -> StepBuffers:
        """Reset every environment."""
        return self._run("reset")

    def send(self, actions: Floats) -> None:
        """Set actions (N, nu); worker processes start at once."""
        self.buffers.actions[:] = actions
        self._send_all("step")

    def receive(self) -> StepBuffers:
        """Wait for the step that was sent."""
        if self._local is not None:
            self._local.execute(self._command, self._states, self._buffer_index)
        failures = [failure for w in range(len(self._workers)) if (failure := self._wait_for(w))]
        if failures:
            raise failures[0]
        self._buffer_index = 1 - self._buffer_index
        return self.buffers

    def step(self, actions: Floats) -> StepBuffers:
        """Send and receive."""
        self.send(actions)
        return self.receive()

    def initial_states(self, seed: int) -> State:
        """States of new environments of that seed: after :meth:`restore`, ``reset`` begins their first episodes."""
        states = np.repeat(self._new_state[None], self.num_envs)
        for i, one in enumerate(np.random.SeedSequence(seed).spawn(self.num_envs)):
            states["random"][i] = random_words(np.random.default_rng(one))
        return states

    def state(self) -> State:
        """State of every environment, in order, after the last complete step."""
        states: State = self._states[self._buffer_index].copy()
        return states

    def restore(self, states: State) -> None:
        """Restore a saved :meth:`state`, and compute ``buffers.observations``.

        Raises:
            ValueError: the number or the type of environments differs.
        """
        ours = self._states[self._buffer_index]
        if (states.shape, states.dtype) != (ours.shape, ours.dtype):
            raise ValueError(
                f"{len(states)} environments of {states.itemsize} bytes, not {len(ours)} of {ours.itemsize}"
            )
        self._states[self._buffer_index] = states
        self._run("restore")

    def close(self) -> None:
        """Stop the workers. Safe to call twice."""
        if self._local is not None:
            self._local.close()
        for worker in self._workers:
            worker.close()
        self._workers = []

    def _run(self, command: str) -> StepBuffers:
        self._send_all(command)
        return self.receive()

    def _send_all(self, command: str) -> None:
        self._command = command
        for worker in self._workers:
            worker.send(command, self._buffer_index)

    def _wait_for(self, w: int) -> Exception | None:
        """Wait for a worker, or its replacements; errors are returned, so that all workers are waited for."""
        while True:
            try:
                self._workers[w].receive()
                return None
            except WorkerLost as loss:
                if not self._replacements_left:
                    return _machine_error(loss)
                self._replace(w, loss)
            except Exception as error:
                return error

    def _replace(self, w: int, loss: WorkerLost) -> None:
        """Start another process in the states of the last complete step, and send it the same command."""
        self._replacements_left -= 1
        self._workers[w].close(timeout=0.0)
        self._workers[w] = self._start([w])[0]
        self._workers[w].send(self._command, self._buffer_index)
        text = "%s; process %s replaces it and repeats the step, so that nothing is lost (%d more may be replaced)"
        _log.warning(text, loss, self._workers[w].pid, self._replacements_left)

    def _start(self, which: Sequence[int]) -> list[Worker]:
        """Start worker processes at once: each takes a second for its imports."""
        if not which:
            return []

        def start(w: int) -> Worker:
            return Worker(f"simulation worker {w}", self._specs[w], self._buffer_index)

        with starting_workers(), ThreadPoolExecutor(len(which)) as threads:
            started = [threads.submit(start, w) for w in which]
        errors = [error for future in started if (error := future.exception())]
        workers = [future.result() for future in started if not future.exception()]
        if not errors:
            return workers
        for worker in workers:
            worker.close(timeout=0.0)
        if not isinstance(errors[0], OSError):
            raise errors[0]
        raise MachineError(
            f"a simulation worker cannot start: {errors[0]}", "free some memory, or --set simulation.workers=0"
        ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _machine_error(loss: WorkerLost) -> MachineError:
    return MachineError(
        str(loss), "`nil doctor` tests rendering (or try MUJOCO_GL=osmesa); `nil run --resume FOLDER` continues the run"
    )
