"""Labels and depth: which body a pixel shows and how far away it is, against geometry computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nil_core import registry
from nil_core.sim import gl
from nil_core.types import Camera, Doubles

gl.choose_backend()

import mujoco  # noqa: E402

from nil_core.sim.renderer import Renderer  # noqa: E402
from nil_core.sim.scene import compose  # noqa: E402

SIZE = 128
OBLIQUE = Camera(distance=3.0, height=0.4, azimuth=55.0, elevation=-20.0)


def two_balls() -> mujoco.MjModel:
    """A trunk at the look-at point (radius 0.1 m), a hand to its front right (0.05 m), a floor and a light."""
    return mujoco.MjModel.from_xml_string(
        """<mujoco>
          <worldbody>
            <light type="directional" dir="0 0.4 -1"/>
            <geom name="floor" type="plane" size="0 0 .1" group="1"/>
            <body name="trunk" pos="4 -3 .4">
              <freejoint/><geom size=".1" group="2"/><geom size=".02" group="3" mass=".1" pos="0 0 .5"/>
              <body name="hand" pos=".3 -.5 .2"><geom size=".05" group="2"/></body>
            </body>
          </worldbody>
        </mujoco>"""
    )


def seen_from(camera: Camera, root: Doubles, points: Doubles) -> tuple[Doubles, Doubles]:
    """Where points (N, 3) lie in the picture, (N, 2) as row and column, and their distance along the optical axis."""
    azimuth, elevation = np.radians([camera.azimuth, camera.elevation])
    forward = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    right = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
    up = np.cross(right, forward)
    relative = points - (np.array([root[0], root[1], camera.height]) - camera.distance * forward)
    depth = relative @ forward
    focal = SIZE / 2 / np.tan(np.radians(45 / 2))
    rows = (SIZE - 1) / 2 - focal * (relative @ up) / depth
    columns = (SIZE - 1) / 2 + focal * (relative @ right) / depth
    return np.stack([rows, columns], axis=1), depth


def test_each_ball_is_labeled_where_it_is_projected_at_its_own_depth():
    model = two_balls()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    renderer = Renderer(model, SIZE, OBLIQUE, "trunk")
    labels, depth = np.full((SIZE, SIZE), 9, np.int16), np.full((SIZE, SIZE), 9, np.float32)
    renderer.draw_labels(data, labels, depth)
    trunk, hand = model.body("trunk").id, model.body("hand").id
    places, distances = seen_from(OBLIQUE, data.xpos[trunk], data.xpos[[trunk, hand]])
    for body, place, distance, radius in zip((trunk, hand), places, distances, (0.1, 0.05), strict=True):
        found = np.argwhere(labels == body)
        assert found.mean(axis=0) == pytest.approx(place, abs=1)
        row, column = np.round(place).astype(int)
        assert labels[row, column] == body
        assert depth[row, column] == pytest.approx(distance - radius, abs=0.01)  # the ball has facets
    assert set(np.unique(labels)) == {-1, trunk, hand}  # neither the floor nor the collider in group 3
    assert (np.isinf(depth) == (labels < 0)).all()


def test_labels_and_frames_take_turns_without_changing_one_another():
    scene = compose(registry.build("robot", "a1", {}), "pd", 0.004, SIZE)
    data = mujoco.MjData(scene.model)
    data.qpos[:] = scene.standing_qpos
    mujoco.mj_forward(scene.model, data)
    renderer = Renderer(scene.model, SIZE, scene.spec.camera, scene.spec.root)
    frames, masks = np.zeros((2, SIZE, SIZE, 3), np.uint8), np.zeros((2, SIZE, SIZE), np.bool_)
    labels, depth = np.zeros((2, SIZE, SIZE), np.int16), np.zeros((2, SIZE, SIZE), np.float32)
    for i in range(2):
        renderer.draw(data, frames[i], masks[i])
        renderer.draw_labels(data, labels[i], depth[i])
    assert (frames[0] == frames[1]).all() and (labels[0] == labels[1]).all() and (depth[0] == depth[1]).all()
    assert masks[0].any() and (masks[0] == (labels[0] >= 0)).all()
    places, distances = seen_from(scene.spec.camera, data.xpos[scene.model.body(scene.spec.root).id], data.xpos)
    for name in ("FR_calf", "trunk"):  # nothing stands before them
        body = scene.model.body(name).id
        row, column = np.round(places[body]).astype(int)
        assert labels[0, row, column] in (body, *np.flatnonzero(scene.model.body_parentid == body))
        assert depth[0, row, column] == pytest.approx(distances[body], abs=0.2)


def test_a_pretty_renderer_draws_no_labels():
    model = two_balls()
    renderer = Renderer(model, SIZE, OBLIQUE, "trunk", pretty=True)
    with pytest.raises(ValueError, match="no labels"):
        renderer.draw_labels(mujoco.MjData(model), np.zeros((SIZE, SIZE), np.int16), np.zeros((SIZE, SIZE), np.float32))
