"""The outer surface of a mesh: its place, its orientation, and that what is inside is gone."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from nil_core.sim import surface

CUBE = 0.01


def outer(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    vertices, triangles = np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32)
    return trimesh.Trimesh(*surface.outer_surface(vertices, triangles, CUBE), process=False)


def simplified(mesh: trimesh.Trimesh, area: float) -> trimesh.Trimesh:
    vertices, triangles = np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32)
    return trimesh.Trimesh(*surface.simplify(vertices, triangles, CUBE, area, 12), process=False)


def ball(radius: float = 0.1) -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions=3, radius=radius)


def test_the_surface_lies_where_the_mesh_is_and_looks_outwards():
    made = outer(ball())
    assert np.abs(np.linalg.norm(made.vertices, axis=1) - 0.1).max() < 0.3 * CUBE
    assert made.is_watertight
    assert made.volume == pytest.approx(ball().volume, rel=0.05)  # negative if it looked inwards


def test_what_is_inside_a_closed_mesh_is_gone():
    full = trimesh.util.concatenate([ball(), ball(0.05)])
    assert (outer(full).faces == outer(ball()).faces).all()


def test_the_inside_of_an_open_mesh_stays():
    bowl = ball()
    bowl.update_faces(bowl.triangles_center[:, 2] < 0)
    towards_axis = (outer(bowl).triangles_center * outer(bowl).face_normals).sum(1) < 0
    assert 0.3 < towards_axis.mean() < 0.7


def test_orientation_and_doubled_parts_of_the_mesh_do_not_matter():
    flipped = ball()
    flipped.invert()
    soup = trimesh.util.concatenate([ball(), flipped])
    assert outer(soup).volume == pytest.approx(ball().volume, rel=0.05)


def test_triangles_get_the_area_that_was_asked_for():
    area = 4 * np.pi * 0.1**2
    for wanted in (50, 200, 800):
        made = simplified(ball(), area / wanted)
        assert len(made.faces) == pytest.approx(wanted, rel=0.15)
        assert made.volume == pytest.approx(ball().volume, rel=0.15)


def test_a_thin_plate_keeps_both_sides_and_its_outline():
    plate = trimesh.creation.box([0.2, 0.1, 0.001])
    made = simplified(plate, 0.002)
    assert np.ptp(made.vertices, axis=0) == pytest.approx([0.2, 0.1, 0.001], abs=CUBE)
    for side in (1, -1):
        seen = made.area_faces[side * made.face_normals[:, 2] > 0.9].sum()
        assert seen == pytest.approx(0.02, rel=0.2)


def test_merging_keeps_the_two_sides_of_a_plate_and_drops_doubles():
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    triangles = np.array([[0, 1, 2], [1, 2, 0], [0, 2, 1], [0, 0, 1]], np.int32)
    vertices, kept = surface.merge(corners, triangles, 0.1)
    order = [0, 2, 1]  # of the cells
    assert (vertices == corners[order]).all() and kept.tolist() == [[0, 2, 1], [0, 1, 2]]


def test_what_no_picture_shows_is_not_seen():
    box = trimesh.creation.box([0.2, 0.2, 0.2]).subdivide().subdivide()
    box.update_faces(box.triangles_center[:, 2] < 0.0999)  # it is open at the top
    both = trimesh.util.concatenate([box, ball(0.09)])
    vertices, triangles = np.asarray(both.vertices, np.float32), np.asarray(both.faces, np.int32)
    seen = surface.seen(vertices, triangles, CUBE / 2)
    height = both.triangles_center[len(box.faces) :, 2]
    assert seen[: len(box.faces)].all()
    assert seen[len(box.faces) :][height > 0.06].all()
    assert not seen[len(box.faces) :][height < -0.06].any()
