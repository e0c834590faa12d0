"""OpenGL without a screen: which library draws, and the one context a process draws with.

Call :func:`choose_backend` before mujoco or dm_control is imported: both read ``MUJOCO_GL`` once, while importing.
A process has one context, made at the first :func:`make_current` and shared by all its renderers: a second one has been
seen to draw nothing. dm_control keeps contexts of its own and does not notice ours, so ``physics.render`` and a
:class:`nil_core.sim.renderer.Renderer` do not mix in one process.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib
import os
import sys
import weakref
from collections.abc import Callable
from typing import Any

from nil_core.errors import MachineError
from nil_core.sim.gl_trouble import ON, explain, has_display, missing_egl_hint
from nil_core.sim.llvm_conflict import block_triton_beside_llvm, block_triton_without_device

_MODULES = {"egl": "mujoco.egl", "osmesa": "mujoco.osmesa", "glfw": "mujoco.glfw", "cgl": "mujoco.cgl"}

_context: Any = None
_owned: list[weakref.finalize[..., Any]] = []


def choose_backend() -> None:
    """Set ``MUJOCO_GL`` to ``egl`` on Linux, and ``LP_NUM_THREADS`` to 0, where the user has set neither.

    EGL needs no screen. With 0 threads Mesa's software renderer works in the calling thread: frames this small only
    lose by being shared out. Values are written as mujoco, dm_control and PyOpenGL all understand them.

    Raises:
        MachineError: EGL is asked for, and its library is not there; or GLFW, and there is no display. Importing
            mujoco would fail, or warn many times.
    """
    for name in ("MUJOCO_GL", "PYOPENGL_PLATFORM", "MUJOCO_EGL_DEVICE_ID"):
        if name in os.environ:
            os.environ[name] = os.environ[name].strip().lower()
    if os.environ.get("MUJOCO_GL") in ON:
        del os.environ["MUJOCO_GL"]
    if not os.environ.get("MUJOCO_EGL_DEVICE_ID"):
        os.environ.pop("MUJOCO_EGL_DEVICE_ID", None)
    if sys.platform == "linux":
        os.environ.setdefault("MUJOCO_GL", "egl")
    os.environ.setdefault("LP_NUM_THREADS", "0")
    if _backend() == "glfw" and not has_display():
        raise broken(None)
    if _backend() == "egl":
        try:
            ctypes.CDLL("libEGL.so.1")
        except OSError as error:
            raise MachineError(f"drawing needs the library libEGL.so.1: {error}", missing_egl_hint(error)) from error


def import_libraries() -> None:
    """Import mujoco and dm_control, which look for OpenGL while they are imported.

    Where no device is found that triton compiles for, it cannot be imported from now on: see
    :mod:`nil_core.sim.llvm_conflict`.

    Raises:
        MachineError: they did not find it.
    """
    block_triton_without_device()
    for name in ("mujoco", "dm_control.mujoco"):
        try:
            importlib.import_module(name)
        except Exception as error:  # of as many types as there are ways
            raise broken(error) from error


def make_current() -> None:
    """Make the process's context current in the calling thread, creating it at the first call.

    Raises:
        MachineError: OpenGL does not work on this machine.
    """
    global _context
    if _context is None:
        choose_backend()
        _context = _create()
        block_triton_beside_llvm()
        # Registered after the context made mujoco register the end of the display, and so run before it.
        atexit.register(_free_all)
    _context.make_current()


def free_with_context(owner: object, free: Callable[[], None]) -> weakref.finalize[..., Any]:
    """Have what an object holds in the context freed when the object or the context goes, whichever is first.

    Args:
        owner: the object; ``free`` must not refer to it.
        free: called once at most, with the context current.

    Returns:
        call it to free at once.
    """
    finalizer = weakref.finalize(owner, _free_in_context, free)
    _owned[:] = [other for other in _owned if other.alive] + [finalizer]
    return finalizer


def _free_in_context(free: Callable[[], None]) -> None:
    make_current()
    free()


def _free_all() -> None:
    for finalizer in _owned:
        finalizer()
    _context.free()


def _create() -> Any:
    try:
        # Not mujoco.GLContext, which is another backend's if mujoco was imported before the choice.
        context = importlib.import_module(_MODULES.get(_backend(), "mujoco.gl_context")).GLContext(64, 64)
        context.make_current()
        _try_out()
    except Exception as error:  # of many types: PyOpenGL's, ctypes', or an AttributeError on a missing library
        raise broken(error) from error
    return context


def _try_out() -> None:
    """GLFW says nothing when it made no context; MuJoCo does."""
    mujoco = importlib.import_module("mujoco")
    empty = mujoco.MjModel.from_xml_string("<mujoco/>")
    mujoco.MjrContext(empty, mujoco.mjtFontScale.mjFONTSCALE_50).free()


def broken(error: Exception | None) -> MachineError:
    """The error that says why OpenGL does not work here.

    Args:
        error: what was raised, if something was.
    """
    reason, hint = explain(_backend(), error)
    return MachineError(f"OpenGL does not work here (MUJOCO_GL={_backend() or 'unset'}): {reason}", hint)


def _backend() -> str:
    return os.environ.get("MUJOCO_GL", "").strip().lower()
