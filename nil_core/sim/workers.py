"""Many environments over a few processes, each with one GL context; everything large travels through shared memory.

A :class:`Batch` simulates and draws some environments one after the other. A :class:`Simulation` owns one batch in this
process (``workers=0``) or one in each worker process, and looks the same from outside.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from dm_control.rl.control import PhysicsError

from nil_core.errors import MachineError, NilError, NumericalError
from nil_core.sim import gl
from nil_core.sim.environment import EnvironmentPlan, ImitationEnvironment, Measurements
from nil_core.sim.renderer import Renderer
from nil_core.types import Doubles, Floats, Frames, Masks

HANG_SECONDS = 120.0
State = list[dict[str, Any]]


@dataclass(frozen=True)
class Slots:
    """What N environments say after a step, each array with a leading N. Valid until the next step.

    Attributes:
        actions: float32 (N, nu), input.
        observations: float32 (N, obs), to act on next: after a reset where an episode ended.
        final_observations: float32 (N, obs), before that reset; equal to ``observations`` elsewhere.
        terminated, truncated: bool (N,), the episode ended in a fall, or at the end of the reference.
        ticked: bool (N,), this step ended a tick (an episode's end always does), and ``frames`` are new.
        tick: int64 (N,), which tick it was, 1 ... ticks.
        frames, masks: uint8 (N, S, S, 3) and bool (N, S, S), the moment the tick ended.
        start_frames, start_masks: the same, of the episode's first moment; new after an end.
        measurements: float32 (N, M), packed :class:`nil_core.sim.environment.Measurements`.
        speed: float32 (N,), forward speed of the root in m/s.
        environment_reward: float32 (N,).
        qpos: float64 (N, nq), where the step led to, before any reset; after a reset of all, where they start.
        busy: float64 (N, 2), seconds spent in physics and in rendering.
    """

    actions: Floats
    observations: Floats
    final_observations: Floats
    terminated: Masks
    truncated: Masks
    ticked: Masks
    tick: npt.NDArray[np.int64]
    frames: Frames
    masks: Masks
    start_frames: Frames
    start_masks: Masks
    measurements: Floats
    speed: Floats
    environment_reward: Floats
    qpos: Doubles
    busy: Doubles

    @property
    def ended(self) -> Masks:
        """bool (N,): the episode is over."""
        return self.terminated | self.truncated

    def part(self, which: slice) -> Slots:
        """The same arrays for some of the environments, as views."""
        return Slots(*(getattr(self, f.name)[which] for f in fields(self)))


def _layout(plan: EnvironmentPlan, observation_size: int, feet: int) -> dict[str, tuple[tuple[int, ...], type]]:
    size, actions = plan.scene.render_size, plan.scene.model.nu
    return {
        "actions": ((actions,), np.float32),
        "observations": ((observation_size,), np.float32),
        "final_observations": ((observation_size,), np.float32),
        "terminated": ((), np.bool_),
        "truncated": ((), np.bool_),
        "ticked": ((), np.bool_),
        "tick": ((), np.int64),
        "frames": ((size, size, 3), np.uint8),
        "masks": ((size, size), np.bool_),
        "start_frames": ((size, size, 3), np.uint8),
        "start_masks": ((size, size), np.bool_),
        "measurements": ((Measurements.size(actions, feet),), np.float32),
        "speed": ((), np.float32),
        "environment_reward": ((), np.float32),
        "qpos": ((plan.scene.model.nq,), np.float64),
        "busy": ((2,), np.float64),
    }


class Batch:
    """Some environments, stepped and drawn one after the other.

    Args:
        plan: what they all are.
        seeds: one for each.
        slots: where their results go (leading axis ``len(seeds)``).
        render: draw frames and masks at ticks.
        measure: fill ``measurements``.
    """

    def __init__(
        self,
        plan: EnvironmentPlan,
        seeds: Sequence[np.random.SeedSequence],
        slots: Slots,
        render: bool = True,
        measure: bool = True,
    ) -> None:
        self.environments = [ImitationEnvironment(plan, seed) for seed in seeds]
        self._slots = slots
        self._measure = measure
        self._per_tick = plan.settings.control_steps_per_tick
        scene = plan.scene
        self._renderer = (
            Renderer(scene.model, scene.render_size, scene.spec.camera, scene.spec.root) if render else None
        )

    def reset(self) -> None:
        """Start every episode anew."""
        for i, environment in enumerate(self.environments):
            self._start(i)
            self._slots.qpos[i] = environment.data.qpos
        self._slots.final_observations[:] = self._slots.observations

    def step(self) -> None:
        """One control step of every environment, with the actions in the slots."""
        slots = self._slots
        for i, environment in enumerate(self.environments):
            began = time.perf_counter()
            result = environment.step(slots.actions[i])
            task, data = environment.task_, environment.data
            observation = environment.observe(result)
            slots.observations[i] = slots.final_observations[i] = observation
            slots.terminated[i] = result.last() and result.discount == 0.0
            slots.truncated[i] = result.last() and result.discount != 0.0
            slots.speed[i] = data.qvel[0]
            slots.environment_reward[i] = result.reward
            slots.qpos[i] = data.qpos
            slots.ticked[i] = ticked = result.last() or task.step_count % self._per_tick == 0
            slots.tick[i] = -(-task.step_count // self._per_tick)
            if self._measure:
                task.measure(data).pack_into(slots.measurements[i])
            stepped = time.perf_counter()
            if ticked and self._renderer is not None:
                self._renderer.draw(data, slots.frames[i], slots.masks[i])
            drawn = time.perf_counter()
            slots.busy[i] = stepped - began, drawn - stepped
            if result.last():
                self._start(i)
                slots.busy[i, 1] += time.perf_counter() - drawn

    def state(self) -> State:
        """Of every environment, to go on exactly."""
        return [environment.state() for environment in self.environments]

    def restore(self, states: State) -> None:
        """Back to a saved :meth:`state`."""
        for i, (environment, state) in enumerate(zip(self.environments, states, strict=True)):
            environment.restore(state)
            task = environment.task_
            self._slots.observations[i] = task.observer.observe(environment.data, task.action, task.step_count)

    def close(self) -> None:
        """Free the renderer."""
        if self._renderer is not None:
            self._renderer.close()

    def _start(self, i: int) -> None:
        environment = self.environments[i]
        self._slots.observations[i] = environment.observe(environment.reset())
        if self._renderer is not None:
            self._renderer.draw(environment.data, self._slots.start_frames[i], self._slots.start_masks[i])


class Simulation:
    """N environments over W worker processes: ``send`` actions, do something else, ``receive`` what became of them.

    Args:
        plan: what the environments are.
        environments: N.
        workers: W processes (at most N); 0 simulates in this process, inside ``receive``.
        seed: of all randomness in the environments.
        render: draw frames and masks.
        measure: fill ``measurements``.

    Raises:
        MachineError: a worker cannot start, dies, or hangs.
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
        probe = ImitationEnvironment(plan, 0)
        self.observation_size = probe.task_.observer.size
        self.feet = probe.task_.feet.count
        self.environments = environments
        seeds = np.random.SeedSequence(seed).spawn(environments)
        layout = _layout(plan, self.observation_size, self.feet)
        self._local: Batch | None = None
        self._workers: list[_Worker] = []
        if workers == 0:
            self.slots = Slots(**{name: np.zeros((environments, *s), d) for name, (s, d) in layout.items()})
            self._local = Batch(plan, seeds, self.slots, render, measure)
            return
        context = multiprocessing.get_context("spawn")
        raw = {n: context.RawArray("B", max(1, _bytes((environments, *s), d))) for n, (s, d) in layout.items()}
        self.slots = _view(raw, layout, environments)
        for w, share in enumerate(np.array_split(np.arange(environments), min(workers, environments))):
            which = slice(int(share[0]), int(share[-1]) + 1)
            job = _Job(plan, seeds[which], raw, layout, environments, which, render, measure)
            self._workers.append(_Worker(context, w, job))
        try:
            for worker in self._workers:
                worker.receive()
        except BaseException:
            self.close()
            raise

    def reset(self) -> Slots:
        """Start every episode anew."""
        self._all("reset")
        return self.slots

    def send(self, actions: Floats) -> None:
        """Hand over actions (N, nu); worker processes start at once."""
        self.slots.actions[:] = actions
        for worker in self._workers:
            worker.send("step")

    def receive(self) -> Slots:
        """Wait for the step that was sent."""
        if self._local is not None:
            _speaking(self._local.step)
        self._answers()
        return self.slots

    def step(self, actions: Floats) -> Slots:
        """Send and receive."""
        self.send(actions)
        return self.receive()

    def state(self) -> State:
        """Of every environment, in order."""
        return [state for part in self._all("state") for state in part]

    def restore(self, states: State) -> None:
        """Back to a saved :meth:`state`; ``slots.observations`` follow."""
        if self._local is not None:
            self._local.restore(states)
        for worker in self._workers:
            worker.send("restore", states[worker.which])
        self._answers()

    def close(self) -> None:
        """End the workers. Safe to call twice."""
        if self._local is not None:
            self._local.close()
        for worker in self._workers:
            worker.close()
        self._workers = []

    def _all(self, command: str) -> list[Any]:
        if self._local is not None:
            return [getattr(self._local, command)()]
        for worker in self._workers:
            worker.send(command)
        return self._answers()

    def _answers(self) -> list[Any]:
        """Of every worker, also after one has failed: an answer left lying would be taken for the next one."""
        answers: list[Any] = []
        failures: list[Exception] = []
        for worker in self._workers:
            try:
                answers.append(worker.receive())
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return answers

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class _Job:
    """What a worker process is told at its start."""

    plan: EnvironmentPlan
    seeds: list[np.random.SeedSequence]
    raw: dict[str, Any]
    layout: dict[str, tuple[tuple[int, ...], type]]
    environments: int
    which: slice
    render: bool
    measure: bool


class _Worker:
    """This process's end of a worker."""

    def __init__(self, context: multiprocessing.context.SpawnContext, index: int, job: _Job) -> None:
        self.which = job.which
        self._pipe, theirs = context.Pipe()
        self._name = f"simulation worker {index}"
        self._process = context.Process(target=_serve, args=(theirs, job), name=self._name, daemon=True)
        with _ctrl_c_held_back():
            self._process.start()
        theirs.close()

    def send(self, command: str, payload: Any = None) -> None:
        try:
            self._pipe.send((command, payload))
        except OSError:
            raise self._lost() from None

    def receive(self) -> Any:
        ready = wait([self._pipe, self._process.sentinel], HANG_SECONDS)
        if not ready:
            raise MachineError(
                f"{self._name} has not answered for {HANG_SECONDS:.0f} s",
                "rendering may hang in the OpenGL driver: try `nil doctor`, or MUJOCO_GL=osmesa",
            )
        try:
            if self._pipe not in ready and not self._pipe.poll():
                raise self._lost()
            kind, value = self._pipe.recv()
        except (EOFError, OSError):
            raise self._lost() from None
        if kind == "error":
            raise value
        return value

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._pipe.send(("close", None))
        self._process.join(2.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()

    def _lost(self) -> MachineError:
        self._process.join(2.0)
        code = self._process.exitcode
        how = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
        return MachineError(
            f"{self._name} died ({how})", "`nil doctor` tests rendering; `nil run --resume FOLDER` continues the run"
        )


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Processes started meanwhile never hear Ctrl-C, this one hears it afterwards.

    Ignoring it is the first thing a worker does, and too late: its interpreter and its imports take a second before.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # its start would let Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, job: _Job) -> None:
    """The life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that people talk to
    gl.mark_worker()
    try:
        slots = _view(job.raw, job.layout, job.environments).part(job.which)
        batch = Batch(job.plan, job.seeds, slots, job.render, job.measure)
    except Exception as error:
        pipe.send(("error", _portable(error)))
        return
    pipe.send(("ok", None))
    while True:
        try:
            command, payload = pipe.recv()
        except (EOFError, OSError):
            break
        if command == "close":
            break
        try:
            call = getattr(batch, command)
            pipe.send(("ok", _speaking(call) if payload is None else call(payload)))
        except Exception as error:
            pipe.send(("error", _portable(error)))
    batch.close()


def _speaking(call: Any) -> Any:
    try:
        return call()
    except PhysicsError as error:
        raise NumericalError(
            f"the simulation became unstable: {error}", "a smaller environment.timestep or weaker gains may help"
        ) from None


def _portable(error: Exception) -> Exception:
    if isinstance(error, NilError):
        return error
    return RuntimeError("in a simulation worker:\n" + "".join(traceback.format_exception(error)))


def _bytes(shape: tuple[int, ...], dtype: type) -> int:
    return int(np.prod(shape)) * np.dtype(dtype).itemsize


def _view(raw: dict[str, Any], layout: dict[str, tuple[tuple[int, ...], type]], environments: int) -> Slots:
    arrays: dict[str, Any] = {}
    for name, (shape, dtype) in layout.items():
        whole = (environments, *shape)
        arrays[name] = np.frombuffer(raw[name], dtype, int(np.prod(whole))).reshape(whole)
    return Slots(**arrays)
