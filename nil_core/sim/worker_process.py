"""Worker process that simulates and renders some environments, and its handle in the main process."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait

from nil_core.errors import NilError
from nil_core.measurements import StateTerm
from nil_core.sim.buffers import SharedBuffers
from nil_core.sim.environment import EnvSpec, State
from nil_core.sim.local_envs import LocalEnvs
from nil_core.sim.main_guard import UNGUARDED_EXIT_CODE, UnguardedScript, marked_as_worker

HANG_SECONDS = 120.0  # timeout of one step of its environments, which takes a fraction of a second
START_SECONDS = 120.0  # timeout of the first answer, before which Python and its libraries start

CLOSE_COMMAND = ("close", 0)


@dataclass(frozen=True)
class WorkerSpec:
    """Arguments of a worker process.

    Attributes:
        env: spec of its environments.
        memory: of all environments.
        which: its environments.
        render, state_terms: as in :class:`nil_core.sim.local_envs.LocalEnvs`.
    """

    env: EnvSpec
    memory: SharedBuffers
    which: slice
    render: bool
    state_terms: tuple[StateTerm, ...]


class WorkerLost(Exception):
    """A worker died or hangs; the message names the worker and the reason."""


class Worker:
    """Handle of a worker in the main process; made inside :func:`starting_workers`.

    Making it takes until the process has imported its libraries and read its arguments.

    Args:
        name: for messages.
        spec: arguments of the worker.
        buffer_index: state buffer that its environments start from.
    """

    def __init__(self, name: str, spec: WorkerSpec, buffer_index: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.name = name
        self._timeout = START_SECONDS
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, spec, buffer_index), name=name, daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self._process.pid

    def send(self, command: str, buffer_index: int) -> None:
        """Send a command of :meth:`nil_core.sim.local_envs.LocalEnvs.execute`; :meth:`receive` reports lost workers."""
        with contextlib.suppress(OSError):
            self._pipe.send((command, buffer_index))

    def receive(self) -> None:
        """Wait until the command is done.

        Raises:
            WorkerLost: the worker died or hangs.
            UnguardedScript: the script that it imported called nil.
            Exception: what the command raised.
        """
        half, ends = self._timeout / 2, (self._pipe, self._process.sentinel)
        # two waits: after Ctrl-Z the first one has timed out when the processes continue, and the second one begins
        ready = wait(ends, half) or wait(ends, half)
        if not ready:
            raise WorkerLost(f"{self.name} has not answered for {self._timeout:.0f} s")
        try:
            if self._pipe not in ready and not self._pipe.poll():
                raise EOFError
            failure: Exception | None = self._pipe.recv()
        except (EOFError, OSError):
            end = self._exit_reason()
            if self._process.exitcode == UNGUARDED_EXIT_CODE:
                raise UnguardedScript from None
            raise WorkerLost(f"{self.name} died ({end})") from None
        self._timeout = HANG_SECONDS
        if failure is not None:
            raise failure

    def close(self, timeout: float = 2.0) -> None:
        """Stop the process; after ``timeout`` seconds, kill it. Safe to call twice."""
        with contextlib.suppress(OSError):
            self._pipe.send(CLOSE_COMMAND)
        self._process.join(timeout)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()

    def _exit_reason(self) -> str:
        self._process.join(2.0)
        code = self._process.exitcode
        return f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"


@contextmanager
def starting_workers() -> Iterator[None]:
    """Mark processes started inside the block as workers that never receive Ctrl-C; this one receives it afterwards.

    Raises:
        UnguardedScript: the workers would call nil again while they import the script.
    """
    with marked_as_worker(), _block_interrupts():
        yield


@contextmanager
def _block_interrupts() -> Iterator[None]:
    """Block Ctrl-C while a worker starts: it ignores Ctrl-C only after its imports, which take a second."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # starting it would unblock Ctrl-C
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, spec: WorkerSpec, buffer_index: int) -> None:
    """Main function of a worker process: answers every command with None or an exception."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles Ctrl-C
    with contextlib.suppress(EOFError, OSError):  # the main process is gone
        states = spec.memory.states()[:, spec.which]
        try:
            envs = LocalEnvs(spec.env, spec.memory.step_buffers().part(spec.which), spec.render, spec.state_terms)
            envs.restore(states[buffer_index])
        except Exception as error:
            pipe.send(_portable(error))
            return
        while (message := pipe.recv()) != CLOSE_COMMAND:
            pipe.send(_execute(envs, message, states))
        envs.close()


def _execute(envs: LocalEnvs, message: tuple[str, int], states: State) -> Exception | None:
    command, buffer_index = message
    try:
        envs.execute(command, states, buffer_index)
    except Exception as error:
        return _portable(error)
    return None


def _portable(error: Exception) -> Exception:
    if isinstance(error, NilError):
        if os.environ.get("NIL_DEBUG"):  # the cause is not sent between processes
            traceback.print_exception(error)
        return error
    return RuntimeError("in a simulation worker:\n" + "".join(traceback.format_exception(error)))
