"""Number of CPU threads of torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Compute with ``count`` threads inside the block, and restore the former number after it.

    torch's setting applies to the whole process, so an agent must restore it for the encoder. A fixed count also keeps
    the order of sums, and so every bit, the same on machines with other numbers of cores. Switching costs under a
    microsecond.
    """
    former = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(former)
