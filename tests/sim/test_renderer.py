"""The one-pass renderer: its frames and masks, and several renderers in one process."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from nil_core.errors import MachineError
from nil_core.sim import gl, gl_trouble
from nil_core.types import Camera

gl.choose_backend()

import mujoco  # noqa: E402

from nil_core.sim.renderer import Renderer  # noqa: E402

SIDE = Camera(distance=2.0, height=0.5, azimuth=90.0, elevation=0.0)


def ball(position: str, rgba: str = "1 0 0 1", floor: float = 0, radius: float = 0.2) -> mujoco.MjModel:
    """A ball on a free joint over a floor (half size in m, 0 is endless) in group 1."""
    return mujoco.MjModel.from_xml_string(
        f"""<mujoco>
          <worldbody>
            <light type="directional" pos="0 0 4" dir="0 0.4 -1"/>
            <geom name="floor" type="plane" size="{floor} {floor} .1" group="1" rgba=".3 .4 .5 1"/>
            <body name="trunk" pos="{position}">
              <freejoint/><geom type="sphere" size="{radius}" rgba="{rgba}" group="2"/>
            </body>
          </worldbody>
        </mujoco>"""
    )


def picture(renderer: Renderer, model: mujoco.MjModel, size: int) -> tuple[np.ndarray, np.ndarray]:
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    frame, mask = np.full((size, size, 3), 7, np.uint8), np.zeros((size, size), np.bool_)
    renderer.draw(data, frame, mask)
    return frame, mask


def draw(model: mujoco.MjModel, size: int = 64, camera: Camera = SIDE) -> tuple[np.ndarray, np.ndarray]:
    renderer = Renderer(model, size, camera, "trunk")
    try:
        return picture(renderer, model, size)
    finally:
        renderer.close()


def test_mask_is_the_disc_of_the_ball():
    size = 200
    _, mask = draw(ball("0 0 .5"), size)
    # The cone that touches a ball of radius r at distance d has the tangent r / sqrt(d^2 - r^2).
    radius = 0.2 / np.sqrt(2.0**2 - 0.2**2) / np.tan(np.radians(45 / 2)) * size / 2
    assert mask.sum() == pytest.approx(np.pi * radius**2, rel=0.02)
    rows, columns = np.nonzero(mask)
    assert rows.mean() == pytest.approx((size - 1) / 2, abs=0.6)
    assert columns.mean() == pytest.approx((size - 1) / 2, abs=0.6)


def test_frame_is_black_just_where_the_mask_is_false():
    frame, mask = draw(ball("0 0 .5", rgba=".9 .3 .3 1"))
    assert (frame[~mask] == 0).all()
    assert (frame[mask].max(axis=1) > 0).all()


def test_rows_go_down_and_channels_are_red_green_blue():
    frame, mask = draw(ball("0 0 .9", rgba="1 0 0 1"))
    assert mask[:32].any() and not mask[32:].any()
    red, green, blue = frame[mask].mean(axis=0)
    assert red > 100 and max(green, blue) < 20  # the highlight is white


def test_camera_follows_x_and_y_but_not_z():
    _, here = draw(ball("0 0 .5"))
    _, there = draw(ball("30 -20 .5"))
    _, above = draw(ball("0 0 .8"))
    assert (here == there).all()
    assert above.sum() > 0 and not (here == above).all()


def test_walking_along_x_goes_right():
    spec = mujoco.MjSpec()
    trunk = spec.worldbody.add_body(name="trunk", pos=[5, 0, 0.5])
    trunk.add_freejoint()
    trunk.add_geom(size=[0.1, 0, 0], pos=[0.5, 0, 0], group=2)
    _, mask = draw(spec.compile())
    assert mask[:, 32:].any() and not mask[:, :32].any()


@pytest.mark.parametrize("distance", [0.3, 1.2, 9.0])
def test_a_large_floor_clips_nothing(distance: float):
    camera = Camera(distance=distance, height=0.5, elevation=0.0)
    _, small = draw(ball("0 0 .5", floor=1, radius=0.1), camera=camera)
    _, large = draw(ball("0 0 .5", floor=500, radius=0.1), camera=camera)
    assert small.any() and (small == large).all()


def test_the_floor_is_not_drawn():
    frame, mask = draw(ball("0 0 9"), camera=Camera(distance=2.0, height=0.5, elevation=-30.0))
    assert not mask.any() and not frame.any()


def test_writes_into_slices_of_larger_arrays_without_allocating():
    model, size = ball("0 0 .5"), 256
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    frames, masks = np.zeros((3, size, size, 3), np.uint8), np.zeros((3, size, size), np.bool_)
    renderer = Renderer(model, size, SIDE, "trunk")
    renderer.draw(data, frames[1], masks[1])
    tracemalloc.start()
    renderer.draw(data, frames[1], masks[1])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size * size
    assert frames[1].any() and masks[1].any()
    assert not frames[[0, 2]].any() and not masks[[0, 2]].any()


def test_renderers_of_other_models_and_sizes_do_not_disturb_each_other():
    models = {32: ball("0 0 .5", "1 0 0 1"), 64: ball("0 0 .6", "0 1 0 1"), 160: ball("0 0 .4", "0 0 1 1")}
    alone = {size: draw(model, size) for size, model in models.items()}
    together = {size: Renderer(model, size, SIDE, "trunk") for size, model in models.items()}
    for _ in range(2):
        for size, renderer in together.items():
            frame, mask = picture(renderer, models[size], size)
            assert mask.any()
            assert (frame == alone[size][0]).all() and (mask == alone[size][1]).all()
    together[64].close()
    frame, _ = picture(together[160], models[160], 160)
    assert (frame == alone[160][0]).all()


def test_one_model_drawn_plain_and_pretty_at_once():
    model, size = ball("0 0 .5"), 64
    expected = draw(model)
    plain = Renderer(model, size, SIDE, "trunk")
    pretty = Renderer(model, 2 * size, SIDE, "trunk", pretty=True)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    video_frame = np.zeros((2 * size, 2 * size, 3), np.uint8)
    pretty.draw(data, video_frame)
    assert video_frame[-10:].min() > 0  # the floor
    frame, mask = picture(plain, model, size)
    assert (frame == expected[0]).all() and (mask == expected[1]).all()
    with pytest.raises(ValueError, match="no masks"):
        pretty.draw(data, video_frame, np.zeros((2 * size, 2 * size), np.bool_))


def test_pretty_shadows_follow_the_robot():
    size, frames = 96, np.zeros((2, 96, 96, 3), np.uint8)
    for frame, x in zip(frames, (0, 40), strict=True):
        model = ball(f"{x} 0 .5")
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        Renderer(model, size, SIDE, "trunk", pretty=True).draw(data, frame)
    assert np.abs(frames[0].astype(int) - frames[1]).max() < 10


def test_many_renderers_can_come_and_go():
    model = ball("0 0 .5")
    for _ in range(30):
        _, mask = draw(model)
        assert mask.any()
    forgotten = Renderer(model, 64, SIDE, "trunk")
    del forgotten
    gc.collect()
    assert not any(finalizer.alive for finalizer in gl._owned if finalizer.peek() is None)
    assert draw(model)[1].any()


def test_a_context_of_someone_else_does_not_get_in_the_way():
    model = ball("0 0 .5")
    expected = draw(model)[1]
    renderer = Renderer(model, 64, SIDE, "trunk")
    other = mujoco.GLContext(32, 32)
    other.make_current()
    assert (picture(renderer, model, 64)[1] == expected).all()
    other.free()
    assert (picture(renderer, model, 64)[1] == expected).all()


def test_closing_twice_is_harmless():
    renderer = Renderer(ball("0 0 .5"), 32, SIDE, "trunk")
    renderer.close()
    renderer.close()


def test_physics_of_the_model_is_left_alone():
    before, after = ball("0 0 .5", floor=500), ball("0 0 .5", floor=500)
    Renderer(after, 64, SIDE, "trunk").close()
    for name in ("body_mass", "body_inertia", "geom_size", "geom_friction", "dof_damping"):
        assert (getattr(before, name) == getattr(after, name)).all()
    assert before.opt.timestep == after.opt.timestep


FIRST_FRAME = """
from nil_core.sim import gl
{prelude}
import mujoco, numpy as np
from nil_core.sim.renderer import Renderer
from nil_core.types import Camera
model = mujoco.MjModel.from_xml_string(
    '<mujoco><worldbody><light/><body name="b"><freejoint/><geom size=".1"/></body></worldbody></mujoco>')
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderers = [Renderer(model, 32, Camera(1, 0), "b") for _ in range(2)]
mask = np.zeros((32, 32), np.bool_)
renderers[0].draw(data, np.zeros((32, 32, 3), np.uint8), mask)
print(mask.any())
"""


# mujoco imported before a backend was chosen: glfw, which has no screen here, is not used.
@pytest.mark.parametrize("prelude", ["", "import mujoco"])
def test_a_fresh_process_draws_and_ends_quietly(prelude: str):
    environment = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "LP_NUM_THREADS")}
    code = FIRST_FRAME.format(prelude=prelude)
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr, ended.stdout) == (0, "", "True\n")


def test_backend_is_chosen_only_where_the_user_chose_none(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setenv("LP_NUM_THREADS", "3")
    gl.choose_backend()
    assert (os.environ["MUJOCO_GL"], os.environ["LP_NUM_THREADS"]) == ("egl", "3")
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    monkeypatch.delenv("LP_NUM_THREADS")
    gl.choose_backend()
    assert (os.environ["MUJOCO_GL"], os.environ["LP_NUM_THREADS"]) == ("osmesa", "0")


def test_a_missing_library_is_named_with_the_line_that_installs_it(monkeypatch):
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setenv("MUJOCO_GL", "egl")
    monkeypatch.setattr(gl.ctypes, "CDLL", missing)
    with pytest.raises(MachineError, match=r"libEGL\.so\.1") as caught:
        gl.choose_backend()
    assert "apt-get install libegl1" in caught.value.hint


def test_a_context_that_fails_is_a_machine_error_of_one_line(monkeypatch, tmp_path: Path):
    (tmp_path / "screenless.py").write_text(
        "class GLContext:\n def __init__(s, w, h): raise RuntimeError('no\\ndisplay')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(gl, "_context", None)
    monkeypatch.setitem(gl._MODULES, "egl", "screenless")
    monkeypatch.setenv("MUJOCO_GL", "egl")
    with pytest.raises(MachineError) as caught:
        gl.make_current()
    assert caught.value.message.endswith("(MUJOCO_GL=egl): no display")
    assert caught.value.hint == gl_trouble.INSTALL
