"""Every cause for which OpenGL does not work has one line, and following it makes it work."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nil_core.errors import MachineError
from nil_core.sim import gl
from nil_core.sim.gl_trouble import INSTALL, explain

NAMES = (
    *("MUJOCO_GL", "PYOPENGL_PLATFORM", "MUJOCO_EGL_DEVICE_ID", "DISPLAY", "WAYLAND_DISPLAY"),
    *("__EGL_VENDOR_LIBRARY_FILENAMES", "LIBGL_DRIVERS_PATH", "GALLIUM_DRIVER", "MESA_LOADER_DRIVER_OVERRIDE"),
)
DRAW = """
from nil_core.errors import MachineError
try:
    import nil_core.sim
    nil_core.sim.gl.make_current()
    print("draws")
except MachineError as error:
    print(error)
"""


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="hints are commands for a shell")
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"MUJOCO_GL": "eg1"}, "none of egl, osmesa, glfw"),
        ({"PYOPENGL_PLATFORM": "glx"}, "PYOPENGL_PLATFORM=glx contradicts it"),
        (
            {"MUJOCO_EGL_DEVICE_ID": "99"},
            "MUJOCO_EGL_DEVICE_ID=99: MUJOCO_EGL_DEVICE_ID must be an integer between 0 and",
        ),
        ({"MUJOCO_GL": "glfw"}, "no display is set"),
    ],
    ids=["spelling", "platform", "device", "display"],
)
def test_following_the_hint_mends_it(changes: dict[str, str], says: str) -> None:
    draw = f"{shlex.quote(sys.executable)} -c {shlex.quote(DRAW)}"
    environment = {**os.environ, **changes}
    failed = subprocess.run(["/bin/sh", "-c", draw], env=environment, capture_output=True, text=True)
    message, hint = failed.stdout.splitlines()
    assert says in message and failed.stderr == ""
    mended = subprocess.run(["/bin/sh", "-c", f"{hint}\n{draw}"], env=environment, capture_output=True, text=True)
    assert (mended.stdout, mended.stderr) == ("draws\n", "")


@pytest.mark.parametrize(
    ("backend", "changes", "says", "hint"),
    [
        ("osmess", {}, "none of", "export MUJOCO_GL=osmesa"),
        ("vulkan", {}, "none of", "unset MUJOCO_GL"),
        ("off", {}, "switches drawing off", "unset MUJOCO_GL"),
        (
            "egl",
            {"MUJOCO_EGL_DEVICE_ID": "gpu0"},
            "MUJOCO_EGL_DEVICE_ID=gpu0 is no number",
            "unset MUJOCO_EGL_DEVICE_ID",
        ),
        ("egl", {"GALLIUM_DRIVER": "x"}, "failed (GALLIUM_DRIVER is set)", f"unset GALLIUM_DRIVER  # else, {INSTALL}"),
        ("osmesa", {"PYOPENGL_PLATFORM": "egl"}, "PYOPENGL_PLATFORM=egl contradicts", "unset PYOPENGL_PLATFORM"),
        ("glfw", {"DISPLAY": ":7"}, "failed", "unset MUJOCO_GL"),
        ("egl", {}, "failed", INSTALL),
    ],
)
def test_each_cause_has_its_line(
    backend: str, changes: dict[str, str], says: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    reason, mends = explain(backend, RuntimeError("it\nfailed"))
    assert says in reason and mends == hint and "\n" not in reason


def test_a_missing_osmesa_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    reason, hint = explain("osmesa", AttributeError("'NoneType' object has no attribute 'glGetError'"))
    assert reason == "the library libOSMesa is missing" and hint.startswith("unset MUJOCO_GL  # or,")


@pytest.mark.parametrize("value", ["EGL", " egl", "", "1", "on"])
def test_values_that_mean_the_default_choose_it(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, given in (("MUJOCO_GL", value), ("PYOPENGL_PLATFORM", "EGL"), ("MUJOCO_EGL_DEVICE_ID", " ")):
        monkeypatch.setenv(name, given)
    gl.choose_backend()
    assert os.environ["MUJOCO_GL"] == os.environ["PYOPENGL_PLATFORM"] == "egl"
    assert "MUJOCO_EGL_DEVICE_ID" not in os.environ


def test_glfw_is_not_tried_without_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    """It warns many times before it fails."""
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    with pytest.raises(MachineError, match=r"\(MUJOCO_GL=glfw\): no display is set"):
        gl.choose_backend()
