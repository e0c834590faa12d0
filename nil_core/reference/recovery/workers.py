"""Comparisons of many frames at once, over worker processes with one OpenGL context each."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from nil_core.errors import MachineError
from nil_core.reference.recovery.silhouette import FrameComparison, Linearization, Look
from nil_core.reference.recovery.tracking import FramePriors, Tracked, track_frame
from nil_core.sim import gl
from nil_core.sim.scene import RobotScene
from nil_core.sim.worker_process import starting_workers
from nil_core.types import Doubles, Frames, Masks

Result = TypeVar("Result")
CHUNK = 4  # frames a task: small enough to share out evenly, large enough that sending it costs nothing

_levels: Levels | None = None  # of a worker process


class Levels:
    """Comparisons of one reference at the sizes that are asked for.

    Args:
        scene, frames, masks, camera: as for :class:`FrameComparison`.
    """

    def __init__(self, scene: RobotScene, frames: Frames, masks: Masks, camera: bool = False) -> None:
        self._given = scene, frames, masks, camera
        self._made: dict[int, FrameComparison] = {}

    def at(self, look: Look) -> FrameComparison:
        """The comparison that a look asks for."""
        if look.shrink not in self._made:
            scene, frames, masks, camera = self._given
            self._made[look.shrink] = FrameComparison(scene, *shrunk(frames, masks, look.shrink), camera)
        return self._made[look.shrink]

    def close(self) -> None:
        """Free the renderers."""
        for comparison in self._made.values():
            comparison.close()


def shrunk(frames: Frames, masks: Masks, factor: int) -> tuple[Frames, Masks]:
    """Pictures (T, S, S, 3) and masks (T, S, S) made smaller by a factor that divides S: means, and majorities."""
    if factor == 1:
        return frames, masks
    count, size = len(masks), masks.shape[-1] // factor
    shares = masks.reshape(count, size, factor, size, factor).mean(axis=(2, 4), dtype=np.float32)
    means = frames.reshape(count, size, factor, size, factor, 3).mean(axis=(2, 4), dtype=np.float32)
    return np.rint(means).astype(np.uint8), shares > 0.5


class Comparisons:
    """A :class:`FrameComparison` in each of some processes.

    Args:
        scene, frames, masks, camera: as for :class:`FrameComparison`.
        workers: processes; 0 compares in this one.

    Raises:
        MachineError: a worker process died.
    """

    def __init__(self, scene: RobotScene, frames: Frames, masks: Masks, workers: int, camera: bool = False) -> None:
        self._local = Levels(scene, frames, masks, camera) if not workers else None
        self._pool: ProcessPoolExecutor | None = None
        if workers:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(workers, context, _begin, (scene, frames, masks, camera))
            with starting_workers():
                for _ in range(workers):  # a process starts with each task that finds none at rest
                    self._pool.submit(_nothing)

    def compare(self, poses: Doubles, look: Look) -> tuple[Doubles, Doubles]:
        """Squared residuals (T,) and overlaps (T,) of poses (T, n), one for each frame."""
        pairs = self._shared_out(_compare, np.arange(len(poses)), poses, look)
        return np.array([cost for cost, _ in pairs]), np.array([overlap for _, overlap in pairs])

    def compare_some(self, frames: npt.NDArray[np.integer], poses: Doubles, look: Look) -> Doubles:
        """Squared residuals (B,) of poses (B, n) against the given frames (B,)."""
        return np.array([cost for cost, _ in self._shared_out(_compare, frames, poses, look)])

    def linearize(self, poses: Doubles, look: Look) -> list[Linearization]:
        """About poses (T, n), one for each frame."""
        return self._shared_out(_linearize, np.arange(len(poses)), poses, look)

    def views(self, poses: Doubles, look: Look) -> Doubles:
        """Pan and zoom (T, 3), see :meth:`FrameComparison.view`, of poses (T, n), one for each frame."""
        views: list[Doubles] = self._shared_out(_view, np.arange(len(poses)), poses, look)
        return np.stack(views)

    def track(self, t: int, guess: Doubles, priors: FramePriors, look: Look, noise: float, steps: int) -> Tracked:
        """See :func:`nil_core.reference.recovery.tracking.track_frame`."""
        return self._wait([self._submit(_track, t, guess, priors, look, noise, steps)])[0]

    def close(self) -> None:
        """End the processes."""
        if self._local is not None:
            self._local.close()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _shared_out(
        self,
        work: Callable[[Levels, Sequence[int], Doubles, Look], list[Result]],
        frames: npt.NDArray[np.integer],
        poses: Doubles,
        look: Look,
    ) -> list[Result]:
        pieces = [slice(i, i + CHUNK) for i in range(0, len(frames), CHUNK)]
        waiting = [self._submit(work, frames[piece].tolist(), poses[piece], look) for piece in pieces]
        return [result for part in self._wait(waiting) for result in part]

    def _submit(self, work: Callable[..., Result], *arguments: Any) -> Future[Result]:
        if self._pool is not None:
            try:
                return self._pool.submit(_in_worker, work, *arguments)
            except BrokenProcessPool:
                raise _lost() from None
        assert self._local is not None
        done: Future[Result] = Future()
        with threadpool_limits(1):
            done.set_result(work(self._local, *arguments))
        return done

    def _wait(self, waiting: Sequence[Future[Result]]) -> list[Result]:
        try:
            return [each.result() for each in waiting]
        except BrokenProcessPool:
            raise _lost() from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _lost() -> MachineError:
    return MachineError(
        "a process that recovers the motion ended before its work was done",
        'a script guards its call of nil with `if __name__ == "__main__":`; where memory is short, '
        "--set simulation.workers=0 works in one process",
    )


def _begin(scene: RobotScene, frames: Frames, masks: Masks, camera: bool) -> None:
    global _levels
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that people talk to
    gl.mark_worker()
    threadpool_limits(1)  # the processes share the cores; products this small only lose by being shared out
    _levels = Levels(scene, frames, masks, camera)


def _nothing() -> None:
    """A task that takes no time."""


def _in_worker(work: Callable[..., Result], *arguments: Any) -> Result:
    assert _levels is not None
    return work(_levels, *arguments)


def _compare(levels: Levels, frames: Sequence[int], poses: Doubles, look: Look) -> list[tuple[float, float]]:
    return [levels.at(look).compare(t, pose, look) for t, pose in zip(frames, poses, strict=True)]


def _linearize(levels: Levels, frames: Sequence[int], poses: Doubles, look: Look) -> list[Linearization]:
    return [levels.at(look).linearize(t, pose, look) for t, pose in zip(frames, poses, strict=True)]


def _view(levels: Levels, frames: Sequence[int], poses: Doubles, look: Look) -> list[Doubles]:
    return [levels.at(look).view(t, pose, look) for t, pose in zip(frames, poses, strict=True)]


def _track(
    levels: Levels, t: int, guess: Doubles, priors: FramePriors, look: Look, noise: float, steps: int
) -> Tracked:
    return track_frame(levels.at(look), t, guess, priors, look, noise, steps)
