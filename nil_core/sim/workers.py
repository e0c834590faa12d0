"""Many environments over a few processes, each with one GL context; everything large travels through shared memory.

A process that dies or hangs is replaced. Its environments go on from the states that they had after the last whole
step, and take the step again: to the bit the one that was lost, so that a run does not notice.
"""

from __future__ import annotations

import logging
from multiprocessing.sharedctypes import RawArray
from types import TracebackType
from typing import Self

import numpy as np

from nil_core.errors import MachineError
from nil_core.sim.batch import Batch
from nil_core.sim.environment import EnvironmentPlan, ImitationEnvironment, State
from nil_core.sim.slots import Memory, Slots
from nil_core.sim.worker_process import Job, Worker, WorkerLost
from nil_core.types import Floats

__all__ = ["Simulation", "Slots", "State"]

REPLACEMENTS = 3  # in the life of a simulation; a machine that loses more has a trouble of its own

_log = logging.getLogger(__name__)


class Simulation:
    """N environments over W worker processes: ``send`` actions, do something else, ``receive`` what became of them.

    After an error only ``restore`` brings the environments together again; ``state`` is that before the error.

    Args:
        plan: what the environments are.
        environments: N.
        workers: W processes (at most N); 0 simulates in this process, inside ``receive``.
        seed: of all randomness in the environments.
        render: draw frames and masks.
        measure: fill ``measurements``.

    Raises:
        MachineError: a worker cannot start, or more of them were lost than are replaced.
    """

    def __init__(
        self,
        plan: EnvironmentPlan,
        environments: int,
        workers: int,
        seed: int,
        render: bool = True,
        measure: bool = True,
    ) -> None:
        first = ImitationEnvironment(plan, 0)
        self.observation_size = first.task_.observer.size
        self.feet = first.task_.feet.count
        self.environments = environments
        memory = Memory.reserve(first, environments, lambda size: RawArray("B", size) if workers else bytearray(size))
        self.slots, self._states, self._bank = memory.slots(), memory.states(), 0
        for i, one in enumerate(np.random.SeedSequence(seed).spawn(environments)):
            first.task_.random = np.random.default_rng(one)
            self._states[self._bank, i] = first.state()
        shares = np.array_split(np.arange(environments), min(workers, environments)) if workers else []
        self._jobs = [Job(plan, memory, slice(int(s[0]), int(s[-1]) + 1), render, measure) for s in shares]
        self._command = ""
        self._spare = 0  # one that does not even start is not worth another
        self._workers: list[Worker] = []
        self._local = None if workers else Batch(plan, self.slots, render, measure)
        try:
            for w in range(len(self._jobs)):
                self._workers.append(self._start(w))
            self._do("restore")
        except BaseException:
            self.close()
            raise
        self._spare = REPLACEMENTS

    def reset(self) -> Slots:
        """Start every episode anew."""
        return self._do("reset")

    def send(self, actions: Floats) -> None:
        """Hand over actions (N, nu); worker processes start at once."""
        self.slots.actions[:] = actions
        self._tell("step")

    def receive(self) -> Slots:
        """Wait for the step that was sent."""
        if self._local is not None:
            self._local.obey(self._command, self._states, self._bank)
        failures = [failure for w in range(len(self._workers)) if (failure := self._answer(w))]
        if failures:
            raise failures[0]
        self._bank = 1 - self._bank
        return self.slots

    def step(self, actions: Floats) -> Slots:
        """Send and receive."""
        self.send(actions)
        return self.receive()

    def state(self) -> State:
        """Of every environment, in order, after the last whole step."""
        states: State = self._states[self._bank].copy()
        return states

    def restore(self, states: State) -> None:
        """Back to a saved :meth:`state`; ``slots.observations`` follow."""
        self._states[self._bank] = states
        self._do("restore")

    def close(self) -> None:
        """End the workers. Safe to call twice."""
        if self._local is not None:
            self._local.close()
        for worker in self._workers:
            worker.close()
        self._workers = []

    def _do(self, command: str) -> Slots:
        self._tell(command)
        return self.receive()

    def _tell(self, command: str) -> None:
        self._command = command
        for worker in self._workers:
            worker.send(command, self._bank)

    def _answer(self, w: int) -> Exception | None:
        """Of a worker, or of those that replace it; what went wrong is returned, so that the others are heard too."""
        while True:
            try:
                self._workers[w].receive()
                return None
            except WorkerLost as loss:
                if not self._spare:
                    return _hopeless(loss)
                self._replace(w, loss)
            except Exception as error:
                return error

    def _replace(self, w: int, loss: WorkerLost) -> None:
        """Start another process in the states of the last whole step, and give it the same command."""
        self._spare -= 1
        self._workers[w].close(patience=0.0)
        self._workers[w] = self._start(w)
        self._workers[w].send(self._command, self._bank)
        text = "%s; process %s takes its place and the step again, so that nothing is lost (%d more may be replaced)"
        _log.warning(text, loss, self._workers[w].number, self._spare)

    def _start(self, w: int) -> Worker:
        name = f"simulation worker {w}"
        try:
            return Worker(name, self._jobs[w], self._bank)
        except OSError as error:
            raise MachineError(
                f"{name} cannot start: {error}", "free some memory, or --set simulation.workers=0"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _hopeless(loss: WorkerLost) -> MachineError:
    return MachineError(
        str(loss), "`nil doctor` tests rendering (or try MUJOCO_GL=osmesa); `nil run --resume FOLDER` continues the run"
    )
