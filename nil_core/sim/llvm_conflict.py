"""Keeps triton out of processes that draw with Mesa's software renderer.

triton 3.7 and newer and Mesa's llvmpipe each bring an LLVM; a process that loads both crashes, whichever comes first.
torch imports triton lazily, for example with the first optimizer of ``torch.optim``, and works without it where the
import fails: only ``torch.compile`` for a GPU needs it.
"""

from __future__ import annotations

import sys
from pathlib import Path

_DEVICES = ("nvidia[0-9]*", "kfd", "dri/renderD*")
"""Files in ``/dev`` of devices that triton compiles for."""


def block_triton_without_device(devices: Path = Path("/dev")) -> None:
    """Make ``import triton`` fail on a Linux machine that has no device triton could compile for."""
    if sys.platform == "linux" and not any(next(devices.glob(name), None) for name in _DEVICES):
        sys.modules.setdefault("triton", None)  # type: ignore[arg-type]


def block_triton_beside_llvm(maps: Path = Path("/proc/self/maps")) -> None:
    """Make ``import triton`` fail in a process in which OpenGL has loaded LLVM.

    Args:
        maps: the kernel's list of what the process has loaded; missing on other systems than Linux.
    """
    if maps.exists() and "libLLVM" in maps.read_text(encoding="utf-8", errors="replace"):
        sys.modules.setdefault("triton", None)  # type: ignore[arg-type]
