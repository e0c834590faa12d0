"""Why OpenGL does not work here, and the line that mends it: one for each cause."""

from __future__ import annotations

import ctypes.util
import difflib
import os
import sys
from collections.abc import Iterator

INSTALL = (
    "Debian, Ubuntu: apt-get install libegl1 libgl1-mesa-dri; Fedora: dnf install mesa-libEGL mesa-dri-drivers "
    "(or MUJOCO_GL=osmesa with libosmesa6)"
)
OFF = ("off", "disable", "disabled", "false", "0")
ON = ("", "on", "enable", "enabled", "true", "1")
"""Values of ``MUJOCO_GL`` that choose no backend."""

_MESA_VARIABLES = (
    "__EGL_VENDOR_LIBRARY_FILENAMES",
    "__EGL_VENDOR_LIBRARY_DIRS",
    "LIBGL_DRIVERS_PATH",
    "GALLIUM_DRIVER",
    "MESA_LOADER_DRIVER_OVERRIDE",
)


def backends() -> tuple[str, ...]:
    """Values of ``MUJOCO_GL`` that choose a backend on this system."""
    return {"linux": ("egl", "osmesa", "glfw"), "darwin": ("cgl", "glfw")}.get(sys.platform, ("glfw", "wgl"))


def explain(backend: str, error: Exception | None) -> tuple[str, str]:
    """The cause of a failure.

    Args:
        backend: value of ``MUJOCO_GL``, in small letters; empty if it is not set.
        error: what was raised, if something was.

    Returns:
        what is wrong, and a line that mends it: a command for a shell where the environment is wrong.
    """
    reason = " ".join(str(error).split()) if error else "the picture is empty"
    return next(_causes(backend, reason), (reason, INSTALL))


def missing_egl_hint(error: OSError) -> str:
    """A line that mends that libEGL cannot be loaded.

    Args:
        error: what was raised; it starts with the file where one was found.
    """
    folder = os.path.dirname(str(error).partition(":")[0])
    misled = folder and folder in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    return f"unset LD_LIBRARY_PATH  # else, {INSTALL}" if misled else INSTALL


def _causes(backend: str, reason: str) -> Iterator[tuple[str, str]]:
    """From what would hide the others."""
    if backend in OFF:
        yield "that switches drawing off, and nil draws", "unset MUJOCO_GL"
    if backend and backend not in backends():
        likely = difflib.get_close_matches(backend, backends(), n=1, cutoff=0.5)
        mend = f"export MUJOCO_GL={likely[0]}" if likely else "unset MUJOCO_GL"
        yield f"it is none of {', '.join(backends())}", mend
    platform = os.environ.get("PYOPENGL_PLATFORM", "")
    if backend in ("egl", "osmesa") and platform not in ("", backend):
        yield f"PYOPENGL_PLATFORM={platform} contradicts it", "unset PYOPENGL_PLATFORM"
    if backend == "egl" and (device := os.environ.get("MUJOCO_EGL_DEVICE_ID")) and "libEGL" not in reason:
        is_number = device.strip().lstrip("+-").isdecimal()
        wrong = f"MUJOCO_EGL_DEVICE_ID={device}{f': {reason}' if is_number else ' is no number'}"
        yield wrong, "unset MUJOCO_EGL_DEVICE_ID"
    if backend == "osmesa" and ctypes.util.find_library("OSMesa") is None:
        yield "the library libOSMesa is missing", "unset MUJOCO_GL  # or, Debian, Ubuntu: apt-get install libosmesa6"
    if backend == "glfw":
        yield "no display is set (DISPLAY, WAYLAND_DISPLAY)" if not has_display() else reason, "unset MUJOCO_GL"
    if misleading := [name for name in _MESA_VARIABLES if os.environ.get(name)]:
        yield f"{reason} ({', '.join(misleading)} is set)", f"unset {' '.join(misleading)}  # else, {INSTALL}"


def has_display() -> bool:
    """Whether a window could be opened."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
