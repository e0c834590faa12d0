"""Draw one picture without a screen; where that fails, say what mends it."""

from __future__ import annotations

import sys

from nil_core.errors import MachineError


def main() -> str | None:
    try:
        from nil_core.sim import gl  # chooses what draws

        try:
            is_drawn = draw()
        except Exception as error:  # of many types: PyOpenGL's, ctypes', mujoco's own
            raise gl.broken(error) from error
        if not is_drawn:
            raise gl.broken(None)
    except MachineError as error:
        return str(error)
    return None


def draw() -> bool:
    import mujoco

    scene = '<mujoco><worldbody><light pos="0 0 3"/><geom type="plane" size="1 1 1"/></worldbody></mujoco>'
    model = mujoco.MjModel.from_xml_string(scene)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    with mujoco.Renderer(model, 16, 16) as renderer:
        renderer.update_scene(data)
        return bool(renderer.render().any())


sys.exit(main())
