"""Simplified meshes are compared with the file's; where somebody would see it, the file's are drawn."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import trimesh

from nil_core.sim import gl, likeness, meshes
from nil_core.testing import ToyQuadruped

gl.choose_backend()

import mujoco  # noqa: E402

from nil_core.sim.scene import RobotScene, compose  # noqa: E402

BALL = trimesh.creation.icosphere(subdivisions=4, radius=0.15)


class WithMesh(ToyQuadruped):
    """The toy with a ball of 5120 triangles on its back."""

    def build(self) -> mujoco.MjSpec:
        spec = super().build()
        spec.add_material(name="orange", rgba=[1, 0.5, 0, 1])
        spec.add_mesh(name="ball", uservert=BALL.vertices.ravel(), userface=BALL.faces.ravel())
        spec.body("trunk").add_geom(
            type=mujoco.mjtGeom.mjGEOM_MESH, meshname="ball", group=2, contype=0, conaffinity=0, mass=0,
            pos=[0, 0, 0.2], material="orange",
        )  # fmt: skip
        return spec


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NIL_CACHE", str(tmp_path))


def staged() -> RobotScene:
    return compose(WithMesh(), "pd", 0.004, 128)


def triangles(scene: RobotScene) -> int:
    return int(scene.model.mesh_facenum.max())


def test_a_good_simplification_is_used_and_compared_once(monkeypatch, caplog):
    assert triangles(staged()) < 2000
    monkeypatch.setattr(likeness, "_pictures", None)
    assert triangles(staged()) < 2000
    assert "look different" not in caplog.text


@pytest.mark.parametrize("wrong", ["size", "color"])
def test_a_wrong_picture_is_said_and_not_drawn(monkeypatch, caplog, wrong: str):
    if wrong == "size":
        sound = meshes.decimate
        monkeypatch.setattr(meshes, "decimate", lambda vertices, *rest: sound(vertices * np.float32(0.5), *rest))
    else:
        monkeypatch.setattr(meshes, "_material", lambda *_: "")
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert triangles(staged()) == 5120
        assert "simplified meshes of toy look different" in caplog.text


def test_differences_of_outline_and_color():
    frames, masks = np.zeros((1, 40, 40, 3), np.uint8), np.zeros((1, 40, 40), np.bool_)
    masks[0, 10:30, 10:30] = True
    frames[masks] = (200, 100, 0)
    same = likeness.difference((frames, masks), (frames, masks))
    assert (same.outline, same.color, same.seen) == (0, 0, False)
    moved = likeness.difference((frames, masks), (frames, np.roll(masks, 1, axis=2)))
    assert moved.outline == 0, "one pixel is no difference"
    without = masks.copy()
    without[0, :, 20:] = False
    half = likeness.difference((frames, masks), (frames, without))
    assert half.outline == pytest.approx(9 / 20) and half.seen
    darker = likeness.difference((frames, masks), (frames // 2, masks))
    assert darker.color == pytest.approx(100 / 255, abs=0.01) and darker.seen
    assert likeness.difference((frames, masks), (frames, ~masks & False)).seen, "nothing at all"
