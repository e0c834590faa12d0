"""A process that simulates and draws some environments, seen from both of its ends."""

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
from nil_core.sim import gl
from nil_core.sim.buffers import SharedBuffers
from nil_core.sim.environment import EnvSpec, State
from nil_core.sim.local_envs import LocalEnvs
from nil_core.sim.main_guard import EXIT_CODE, UnguardedScript, marked_as_worker

HANG_SECONDS = 120.0  # for one step of its environments, which takes a small part of one
START_SECONDS = 120.0  # for the first answer, before which Python and its libraries start

CLOSE = ("close", 0)


@dataclass(frozen=True)
class WorkerSpec:
    """What a worker process needs at its start.

    Attributes:
        env: what its environments are.
        memory: of all environments.
        which: its own ones.
        render, state_terms: as in :class:`nil_core.sim.local_envs.LocalEnvs`.
    """

    env: EnvSpec
    memory: SharedBuffers
    which: slice
    render: bool
    state_terms: tuple[StateTerm, ...]


class WorkerLost(Exception):
    """A worker died or hangs; the text says which one and how."""


class Worker:
    """This process's end of a worker.

    Args:
        name: what to call it.
        spec: what it does.
        buffer_index: where the states are that its environments begin from.
    """

    def __init__(self, name: str, spec: WorkerSpec, buffer_index: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.name = name
        self._patience = START_SECONDS
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, spec, buffer_index), name=name, daemon=True)
        with starting_workers():
            self._process.start()
        theirs.close()

    @property
    def number(self) -> int | None:
        """The process's id."""
        return self._process.pid

    def send(self, command: str, buffer_index: int) -> None:
        """Send a command of :meth:`nil_core.sim.local_envs.LocalEnvs.execute`; a lost one shows in :meth:`receive`."""
        with contextlib.suppress(OSError):
            self._pipe.send((command, buffer_index))

    def receive(self) -> None:
        """Wait until the command is done.

        Raises:
            WorkerLost: it never will be.
            UnguardedScript: the script that it imported called nil.
            Exception: what the command raised.
        """
        half, ends = self._patience / 2, (self._pipe, self._process.sentinel)
        # in two parts: where Ctrl-Z stopped all processes, the first is over when they go on, and the second begins
        ready = wait(ends, half) or wait(ends, half)
        if not ready:
            raise WorkerLost(f"{self.name} has not answered for {self._patience:.0f} s")
        try:
            if self._pipe not in ready and not self._pipe.poll():
                raise EOFError
            failure: Exception | None = self._pipe.recv()
        except (EOFError, OSError):
            end = self._end()
            if self._process.exitcode == EXIT_CODE:
                raise UnguardedScript from None
            raise WorkerLost(f"{self.name} died ({end})") from None
        self._patience = HANG_SECONDS
        if failure is not None:
            raise failure

    def close(self, patience: float = 2.0) -> None:
        """End it: politely, and after so many seconds by force. Safe to call twice."""
        with contextlib.suppress(OSError):
            self._pipe.send(CLOSE)
        self._process.join(patience)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()

    def _end(self) -> str:
        self._process.join(2.0)
        code = self._process.exitcode
        return f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"


@contextmanager
def starting_workers() -> Iterator[None]:
    """Processes started meanwhile are known to be workers, and never receive Ctrl-C; this one receives it afterwards.

    Raises:
        UnguardedScript: they would call nil again while they import the script.
    """
    with marked_as_worker(), _interrupts_blocked():
        yield


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Ignoring Ctrl-C is the first thing a worker does, and too late: its imports take a second before."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # its start would let Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, spec: WorkerSpec, buffer_index: int) -> None:
    """Run a worker process: answers every command with None, or with what went wrong."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that people talk to
    gl.mark_worker()
    with contextlib.suppress(EOFError, OSError):  # that process is gone, and nobody is left to answer
        states = spec.memory.states()[:, spec.which]
        try:
            envs = LocalEnvs(spec.env, spec.memory.step_buffers().part(spec.which), spec.render, spec.state_terms)
            envs.restore(states[buffer_index])
        except Exception as error:
            pipe.send(_portable(error))
            return
        while (order := pipe.recv()) != CLOSE:
            pipe.send(_attempt(envs, order, states))
        envs.close()


def _attempt(envs: LocalEnvs, order: tuple[str, int], states: State) -> Exception | None:
    command, buffer_index = order
    try:
        envs.execute(command, states, buffer_index)
    except Exception as error:
        return _portable(error)
    return None


def _portable(error: Exception) -> Exception:
    if isinstance(error, NilError):
        if os.environ.get("NIL_DEBUG"):  # the cause does not cross between processes
            traceback.print_exception(error)
        return error
    return RuntimeError("in a simulation worker:\n" + "".join(traceback.format_exception(error)))
