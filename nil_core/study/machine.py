"""Cores, memory and GPUs of this machine: how many runs fit at once."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from nil_core.hardware import available_cores

RUN_CORES = 2  # a run learns in one process and simulates in another
RUN_BYTES = 2 * 2**30
RUN_GPU_MIB = 4096


@dataclass(frozen=True)
class Machine:
    """What runs share.

    Attributes:
        cores: that this process may use.
        memory: available bytes; None if unknown.
        gpus: free memory of each GPU in MiB.
    """

    cores: int
    memory: int | None
    gpus: tuple[int, ...]

    @property
    def slots(self) -> int:
        """Runs that fit at once."""
        fits = [self.cores // RUN_CORES]
        if self.memory is not None:
            fits.append(self.memory // RUN_BYTES)
        if self.gpus:
            fits.append(sum(max(1, free // RUN_GPU_MIB) for free in self.gpus))
        return max(1, min(fits))


def this_machine() -> Machine:
    """Read it from the system."""
    return Machine(available_cores(), _available_memory(), _free_gpu_memory())


def _available_memory() -> int | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return None


def _free_gpu_memory() -> tuple[int, ...]:
    query = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
        return tuple(int(line) for line in told.split())
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()
