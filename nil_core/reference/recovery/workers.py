"""Comparison of many frames in parallel, in worker processes with one OpenGL context each."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.reduction import ForkingPickler
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from nil_core.errors import MachineError
from nil_core.reference.recovery.frame_fit import FrameFit, FramePriors, fit_frame
from nil_core.reference.recovery.silhouette import FrameComparison, Linearization, Look
from nil_core.sim.scene import RobotScene
from nil_core.sim.worker_process import starting_workers
from nil_core.types import Doubles, Frames, Masks

Result = TypeVar("Result")
FRAMES_PER_TASK = 4  # small enough to spread the load evenly, large enough that sending them costs nothing

_levels: Levels | None = None  # of a worker process


class Levels:
    """Comparisons of one reference at several image sizes, made when first used.

    Args:
        scene, frames, masks, camera: as for :class:`FrameComparison`.
    """

    def __init__(self, scene: RobotScene, frames: Frames, masks: Masks, camera: bool = False) -> None:
        self._given = scene, frames, masks, camera
        self._made: dict[int, FrameComparison] = {}

    def at(self, look: Look) -> FrameComparison:
        """The comparison at a look's image size."""
        if look.shrink not in self._made:
            scene, frames, masks, camera = self._given
            self._made[look.shrink] = FrameComparison(scene, *shrunk(frames, masks, look.shrink), camera)
        return self._made[look.shrink]

    def close(self) -> None:
        """Free the renderers."""
        for comparison in self._made.values():
            comparison.close()


def shrunk(frames: Frames, masks: Masks, factor: int) -> tuple[Frames, Masks]:
    """Downsample frames (T, S, S, 3) by means and masks (T, S, S) by majorities; the factor must divide S."""
    if factor == 1:
        return frames, masks
    count, size = len(masks), masks.shape[-1] // factor
    shares = masks.reshape(count, size, factor, size, factor).mean(axis=(2, 4), dtype=np.float32)
    means = frames.reshape(count, size, factor, size, factor, 3).mean(axis=(2, 4), dtype=np.float32)
    return np.rint(means).astype(np.uint8), shares > 0.5


class Comparisons:
    """A :class:`FrameComparison` in each worker process.

    Args:
        scene, frames, masks, camera: as for :class:`FrameComparison`.
        workers: number of processes; 0: in this process.

    Raises:
        MachineError: a worker process died.
    """

    def __init__(self, scene: RobotScene, frames: Frames, masks: Masks, workers: int, camera: bool = False) -> None:
        self._local = Levels(scene, frames, masks, camera) if not workers else None
        self._pool: ProcessPoolExecutor | None = None
        if workers:
            context = multiprocessing.get_context("spawn")
            # In shared memory: starting a process with large arguments takes until it reads them, after its imports.
            arguments = ForkingPickler.dumps((scene, frames, masks, camera))
            memory = context.RawArray("B", len(arguments))
            memoryview(memory).cast("B")[:] = arguments
            self._pool = ProcessPoolExecutor(workers, context, _initialize_worker, (memory,))
            with starting_workers():
                for _ in range(workers):  # the pool starts a process for each task if none is idle
                    self._pool.submit(_nothing)

    def compare(self, poses: Doubles, look: Look) -> tuple[Doubles, Doubles]:
        """Squared residuals (T,) and overlaps (T,) of poses (T, n), one for each frame."""
        pairs = self._distribute(_compare, np.arange(len(poses)), poses, look)
        return np.array([cost for cost, _ in pairs]), np.array([overlap for _, overlap in pairs])

    def compare_some(self, frames: npt.NDArray[np.integer], poses: Doubles, look: Look) -> Doubles:
        """Squared residuals (B,) of poses (B, n) against the given frames (B,)."""
        return np.array([cost for cost, _ in self._distribute(_compare, frames, poses, look)])

    def linearize(self, poses: Doubles, look: Look) -> list[Linearization]:
        """Linearize about poses (T, n), one for each frame."""
        return self._distribute(_linearize, np.arange(len(poses)), poses, look)

    def views(self, poses: Doubles, look: Look) -> Doubles:
        """Pan and zoom (T, 3), see :meth:`FrameComparison.view`, of poses (T, n), one for each frame."""
        views: list[Doubles] = self._distribute(_view, np.arange(len(poses)), poses, look)
        return np.stack(views)

    def fit_frame(
        self, t: int, guesses: Doubles, priors: FramePriors, look: Look, noise: float, steps: int
    ) -> list[FrameFit]:
        """Fit frame t from each of the guesses (K, n), see :func:`nil_core.reference.recovery.frame_fit.fit_frame`."""
        return self._wait([self._submit(_fit_frame, t, guess, priors, look, noise, steps) for guess in guesses])

    def close(self) -> None:
        """Stop the processes."""
        if self._local is not None:
            self._local.close()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _distribute(
        self,
        work: Callable[[Levels, Sequence[int], Doubles, Look], list[Result]],
        frames: npt.NDArray[np.integer],
        poses: Doubles,
        look: Look,
    ) -> list[Result]:
        pieces = [slice(i, i + FRAMES_PER_TASK) for i in range(0, len(frames), FRAMES_PER_TASK)]
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


def _lost() -> MachineError:
    return MachineError(
        "a worker process of the motion recovery ended unexpectedly",
        'in a script, put the call of nil under `if __name__ == "__main__":`; if memory is short, '
        "--set simulation.workers=0 works in one process",
    )


def _initialize_worker(arguments: Any) -> None:
    """Initialize a process; ``arguments``: of :class:`Levels`, as multiprocessing sends them, in shared memory."""
    global _levels
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles Ctrl-C
    threadpool_limits(1)  # the processes share the cores; more threads only slow down products this small
    _levels = Levels(*ForkingPickler.loads(arguments))


def _nothing() -> None:
    """A task that does nothing, to start a process."""


def _in_worker(work: Callable[..., Result], *arguments: Any) -> Result:
    assert _levels is not None
    return work(_levels, *arguments)


def _compare(levels: Levels, frames: Sequence[int], poses: Doubles, look: Look) -> list[tuple[float, float]]:
    return [levels.at(look).compare(t, pose, look) for t, pose in zip(frames, poses, strict=True)]


def _linearize(levels: Levels, frames: Sequence[int], poses: Doubles, look: Look) -> list[Linearization]:
    return [levels.at(look).linearize(t, pose, look) for t, pose in zip(frames, poses, strict=True)]


def _view(levels: Levels, frames: Sequence[int], poses: Doubles, look: Look) -> list[Doubles]:
    return [levels.at(look).view(t, pose, look) for t, pose in zip(frames, poses, strict=True)]


def _fit_frame(
    levels: Levels, t: int, guess: Doubles, priors: FramePriors, look: Look, noise: float, steps: int
) -> FrameFit:
    return fit_frame(levels.at(look), t, guess, priors, look, noise, steps)
