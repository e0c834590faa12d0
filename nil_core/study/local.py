"""Processes on this machine, as many as fit its cores, memory and GPUs."""

from __future__ import annotations

import os

from nil_core.study.executors import Handle
from nil_core.study.jobs import Job
from nil_core.study.machine import this_machine
from nil_core.study.process import JobProcess

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


class LocalExecutor:
    """Runs each job in a process of its own (implements :class:`nil_core.study.executors.Executor`).

    Args:
        jobs: at once; default: as many as fit.
    """

    def __init__(self, jobs: int | None = None) -> None:
        machine = this_machine()
        self.slots = jobs or machine.slots
        self._threads = max(1, machine.cores // self.slots)
        self._gpus = len(machine.gpus)
        self._running: list[tuple[JobProcess, int]] = []

    def submit(self, job: Job) -> Handle:
        """Start a process. More threads than cores would slow all runs down, so each process gets its share."""
        environment = {}
        if self.slots > 1:
            environment = {name: str(self._threads) for name in THREAD_VARIABLES if name not in os.environ}
        gpu = self._freest_gpu()
        if self._gpus > 1 and "CUDA_VISIBLE_DEVICES" not in os.environ:
            environment["CUDA_VISIBLE_DEVICES"] = str(gpu)
        process = JobProcess(job, environment)
        self._running.append((process, gpu))
        return process

    def close(self) -> None:
        """Nothing: processes end by themselves."""

    def _freest_gpu(self) -> int:
        self._running = [(process, gpu) for process, gpu in self._running if not process.ended]
        used = [gpu for _, gpu in self._running]
        return min(range(max(1, self._gpus)), key=used.count)
