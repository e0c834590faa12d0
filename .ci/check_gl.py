"""Draw one picture without a screen; where that fails, say what to install."""

from __future__ import annotations

import ctypes
import os
import sys

REMEDY = """OpenGL does not work here without a screen: {why}
  Debian, Ubuntu:  apt-get install libegl1 libgl1-mesa-dri
  Fedora:          dnf install mesa-libEGL mesa-dri-drivers
  elsewhere:       the libraries named above, or a GPU driver that brings EGL"""


def main() -> str | None:
    if sys.platform == "linux":
        backend = os.environ.setdefault("MUJOCO_GL", "egl")
        os.environ.setdefault("LP_NUM_THREADS", "0")
        if backend == "egl":
            try:
                ctypes.CDLL("libEGL.so.1")
            except OSError as error:
                return REMEDY.format(why=error)
    try:
        import mujoco

        scene = '<mujoco><worldbody><light pos="0 0 3"/><geom type="plane" size="1 1 1"/></worldbody></mujoco>'
        model = mujoco.MjModel.from_xml_string(scene)
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        with mujoco.Renderer(model, 16, 16) as renderer:
            renderer.update_scene(data)
            drawn = renderer.render().any()
    except Exception as error:  # of many types: PyOpenGL's, ctypes', mujoco's own
        return REMEDY.format(why=f"{type(error).__name__}: {error}")
    return None if drawn else REMEDY.format(why="the picture is black")


sys.exit(main())
