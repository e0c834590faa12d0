"""Decimated visuals: fewer triangles, the same silhouette, the same physics, and a cache that cannot harm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_core import registry
from nil_core.sim import gl, meshes

gl.choose_backend()

import mujoco  # noqa: E402

from nil_core.sim.renderer import Renderer  # noqa: E402


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("NIL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "meshes"


PIXEL = 0.02  # m, about what a humanoid's frames of 128 pixels show


def potato(collider: bool = True) -> mujoco.MjSpec:
    """A lumpy mesh of 5120 triangles, in mm and off center, on a free body, as visual and as collider."""
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=80)
    mesh.apply_transform(trimesh.transformations.scale_and_translate([1, 1.5, 2], [30, 20, 400]))
    spec = mujoco.MjSpec()
    spec.assets = {"potato.obj": trimesh.exchange.obj.export_obj(mesh, include_normals=False).encode()}
    spec.add_mesh(
        name="potato", file="potato.obj", scale=[0.001] * 3, refpos=[0.01, 0, 0], refquat=[0.9, 0.1, 0.3, 0.2]
    )
    body = spec.worldbody.add_body(name="trunk", pos=[0, 0, 1], quat=[0.7, 0.1, 0, 0.7])
    body.add_freejoint()
    kind = mujoco.mjtGeom.mjGEOM_MESH
    body.add_geom(name="seen", type=kind, meshname="potato", group=2, contype=0, conaffinity=0, density=0)
    if collider:
        body.add_geom(name="felt", type=kind, meshname="potato", group=3)
    else:
        body.add_geom(name="felt", size=[0.1, 0, 0], group=3)
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 0.1], group=1)
    spec.worldbody.add_light(pos=[0, 0, 3])
    return spec


def fall(model: mujoco.MjModel) -> np.ndarray:
    data = mujoco.MjData(model)
    for joint in range(model.njnt):
        if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE:
            data.qpos[2] += 0.4
    rows = []
    for _ in range(400):
        mujoco.mj_step(model, data)
        rows.append(data.qpos.copy())
    return np.array(rows)


def faces_of(model: mujoco.MjModel, geom: str) -> int:
    return int(model.mesh_facenum[model.geom_dataid[model.geom(geom).id]])


def vertices_of(model: mujoco.MjModel, geom: str) -> np.ndarray:
    """Vertices of a geom's mesh in the frame of its body."""
    identity = model.geom(geom).id
    mesh = model.geom_dataid[identity]
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, model.geom_quat[identity])
    return model.mesh_vert[first : first + count] @ rotation.reshape(3, 3).T + model.geom_pos[identity]


def test_the_visual_gets_fewer_triangles_in_the_same_place_and_the_collider_keeps_its_own():
    raw, light = potato().compile(), potato()
    meshes.decimate_visuals(light, PIXEL)
    model = light.compile()
    assert faces_of(raw, "seen") == 5120
    assert faces_of(model, "seen") <= 600
    assert faces_of(model, "felt") == 5120
    before, after = vertices_of(raw, "seen"), vertices_of(model, "seen")
    assert np.abs(before.min(0) - after.min(0)).max() < 0.3 * PIXEL
    assert np.abs(before.max(0) - after.max(0)).max() < 0.3 * PIXEL


def test_what_the_file_sets_as_default_is_not_applied_twice():
    """A scale of meshes, among others, is inherited by every mesh that is added to the file's model later."""
    raw, light = potato().compile(), potato()
    light.default.mesh.scale, light.default.mesh.refpos = [0.001] * 3, [1, 2, 3]
    light.default.mesh.refquat, light.default.mesh.maxhullvert = [0, 1, 0, 0], 7
    meshes.decimate_visuals(light, PIXEL)
    before, after = vertices_of(raw, "seen"), vertices_of(light.compile(), "seen")
    assert np.abs(before.min(0) - after.min(0)).max() < 0.3 * PIXEL
    assert np.abs(before.max(0) - after.max(0)).max() < 0.3 * PIXEL


def test_a_mesh_that_is_next_to_nothing_stays_as_it_is():
    """As where a file marks the place of a sensor: nothing would be left of it, and MuJoCo refuses that."""
    spec = potato()
    speck = trimesh.creation.icosphere(radius=2.5e-4)
    spec.add_mesh(name="speck", uservert=speck.vertices.ravel(), userface=speck.faces.ravel())
    spec.body("trunk").add_geom(
        type=mujoco.mjtGeom.mjGEOM_MESH, meshname="speck", group=2, contype=0, conaffinity=0, density=0, mass=0
    )
    spec.body("trunk").explicitinertial = True
    spec.body("trunk").mass, spec.body("trunk").inertia = 1, [1, 1, 1]
    spec.mesh("speck").inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
    meshes.decimate_visuals(spec, PIXEL)
    spec.compile()
    assert {"speck", "potato"} < {mesh.name for mesh in spec.meshes}


def test_a_material_that_the_mesh_brings_stays():
    spec = potato()
    spec.add_material(name="red", rgba=[1, 0, 0, 1])
    spec.mesh("potato").material = "red"
    meshes.decimate_visuals(spec, PIXEL)
    model = spec.compile()
    assert model.material(model.geom("seen").matid[0]).name == "red"


def test_a_visual_that_gives_its_body_its_inertia_keeps_its_mesh():
    raw, spec = potato(), potato()
    for each in (raw, spec):
        each.geom("seen").density = 800
    meshes.decimate_visuals(spec, PIXEL)
    before, after = raw.compile(), spec.compile()
    assert (before.body_inertia == after.body_inertia).all() and faces_of(after, "seen") == 5120


def two_in_a_body(**second) -> mujoco.MjSpec:
    """The potato, and the same once more in its body, turned and moved."""
    spec = potato()
    spec.compiler.degree = True
    body = spec.body("trunk")
    other = body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_MESH, meshname="potato", group=2, contype=0, conaffinity=0, density=0, **second
    )
    other.pos, other.alt.euler = [0.3, 0.1, -0.2], [20, 30, 40]
    spec.geom("seen").name = ""
    return spec


def test_geoms_of_one_body_and_one_look_become_one_in_the_same_place():
    raw, light = two_in_a_body().compile(), two_in_a_body()
    meshes.decimate_visuals(light, PIXEL)
    model = light.compile()
    (both,) = np.flatnonzero(model.geom_group == 2)
    before = np.concatenate([vertices_of(raw, geom) for geom in np.flatnonzero(raw.geom_group == 2)])
    after = vertices_of(model, both)
    assert np.abs(before.min(0) - after.min(0)).max() < 0.3 * PIXEL
    assert np.abs(before.max(0) - after.max(0)).max() < 0.3 * PIXEL
    assert (fall(raw) == fall(model)).all()


@pytest.mark.parametrize("second", [{"name": "arm"}, {"rgba": [1, 0, 0, 1]}])
def test_a_geom_with_a_name_or_another_look_stays_apart(second):
    spec = two_in_a_body(**second)
    meshes.decimate_visuals(spec, PIXEL)
    assert (spec.compile().geom_group == 2).sum() == 2


def test_moving_one_of_two_geoms_is_another_mesh(cache: Path):
    for turn in (40, 41):
        spec = two_in_a_body()
        spec.geoms[-2 if spec.geoms[-2].group == 2 else 2].alt.euler = [20, 30, turn]
        meshes.decimate_visuals(spec, PIXEL)
    assert len(list(cache.iterdir())) == 2


def test_the_finer_the_pixels_the_more_triangles():
    faces = []
    for pixel in (0.04, 0.02, 0.01):
        spec = potato()
        meshes.decimate_visuals(spec, pixel)
        faces.append(faces_of(spec.compile(), "seen"))
    assert faces[0] < faces[1] < faces[2] < 5120


def test_a_mesh_that_only_visuals_used_is_gone():
    spec = potato(collider=False)
    meshes.decimate_visuals(spec, PIXEL)
    assert [mesh.name for mesh in spec.meshes] == ["potato_visual_0"]
    assert spec.compile().nmesh == 1


def test_a_spec_without_visual_meshes_is_left_alone():
    spec = mujoco.MjSpec()
    spec.worldbody.add_body().add_geom(size=[0.1, 0, 0], group=2)
    meshes.decimate_visuals(spec, PIXEL)
    assert spec.compile().ngeom == 1


@pytest.mark.parametrize("name", ["potato", "a1", "talos"])
def test_physics_is_the_same_to_the_bit(name: str):
    def build() -> mujoco.MjSpec:
        return potato() if name == "potato" else registry.build("robot", name, {}).build()

    raw, spec = build().compile(), build()
    meshes.decimate_visuals(spec, PIXEL)
    light = spec.compile()
    assert light.nmeshface != raw.nmeshface
    assert (raw.body_mass == light.body_mass).all() and (raw.body_inertia == light.body_inertia).all()
    assert (fall(raw) == fall(light)).all()


@pytest.mark.parametrize("name", ["a1", "h1", "g1", "talos"])
def test_silhouette_of_a_walking_robot_is_kept(name: str):
    robot = registry.build("robot", name, {})
    raw, light = robot.build(), robot.build()
    meshes.decimate_visuals(light, robot.spec.camera.pixel(128))
    masks = [walk_masks(robot.spec, spec.compile()) for spec in (raw, light)]
    overlap = (masks[0] & masks[1]).sum((1, 2)) / (masks[0] | masks[1]).sum((1, 2))
    assert masks[0].any((1, 2)).all()
    assert overlap.mean() > 0.96 and overlap.min() > 0.94


def walk_masks(spec, model: mujoco.MjModel) -> np.ndarray:
    data, renderer = mujoco.MjData(model), Renderer(model, 128, spec.camera, spec.root)
    masks, frame = np.zeros((4, 128, 128), np.bool_), np.zeros((128, 128, 3), np.uint8)
    for i, mask in enumerate(masks):
        data.qpos[2] = spec.standing_height
        for name, angle in spec.standing_pose.items():
            data.joint(name).qpos[0] = angle + 0.3 * np.sin(i + len(name) * ord(name[0]))
        mujoco.mj_kinematics(model, data)
        renderer.draw(data, frame, mask)
    renderer.close()
    return masks


def test_the_second_time_comes_from_the_cache(monkeypatch, cache: Path):
    first = potato()
    meshes.decimate_visuals(first, PIXEL)
    (entry,) = cache.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(meshes, "decimate", None)
        patch.setattr(meshes, "compiled", None)  # nor are the many triangles even read
        second = potato()
        meshes.decimate_visuals(second, PIXEL)
    assert (vertices_of(first.compile(), "seen") == vertices_of(second.compile(), "seen")).all()
    meshes.decimate_visuals(potato(), PIXEL / 2)
    assert len(list(cache.iterdir())) == 2 and entry.exists()
    for change in ("scale", "refpos", "content"):
        other = potato()
        if change == "content":
            other.assets = {name: content + b"\n# other\n" for name, content in other.assets.items()}
        else:
            setattr(other.mesh("potato"), change, np.full(3, 0.5))
        entries = len(list(cache.iterdir()))
        meshes.decimate_visuals(other, PIXEL)
        assert len(list(cache.iterdir())) == entries + 1, change


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "other"])
def test_a_damaged_cache_entry_is_made_anew(cache: Path, damage: str):
    sound = potato()
    meshes.decimate_visuals(sound, PIXEL)
    (entry,) = cache.iterdir()
    content = entry.read_bytes()
    if damage == "empty":
        entry.write_bytes(b"")
    elif damage == "cut":
        entry.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        middle = len(content) // 3
        entry.write_bytes(content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :])
    else:
        np.savez(entry.open("wb"), something=np.zeros(3))
    again = potato()
    meshes.decimate_visuals(again, PIXEL)
    assert (vertices_of(sound.compile(), "seen") == vertices_of(again.compile(), "seen")).all()
    assert entry.read_bytes() == content
    assert list(cache.iterdir()) == [entry]  # no temporary file stays


def test_a_cache_that_cannot_be_written_is_done_without(monkeypatch, tmp_path: Path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NIL_CACHE", str(tmp_path / "file"))
    spec = potato()
    meshes.decimate_visuals(spec, PIXEL)
    assert faces_of(spec.compile(), "seen") < 600


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 80), st.integers(1, 300), st.sampled_from([1e-3, 0.01, 1.0]))
def test_any_soup_of_triangles_gives_sound_triangles(seed: int, points: int, count: int, size: float):
    pixel = max(size, 0.01)
    random = np.random.default_rng(seed)
    vertices = random.normal(0, size, (points, 3)).astype(np.float32)
    triangles = random.integers(0, points, (count, 3)).astype(np.int32)
    light_vertices, light = meshes.decimate(vertices, triangles, pixel)
    assert light_vertices.dtype == np.float32 and light.dtype == np.int32
    assert np.isfinite(light_vertices).all()
    assert len(light) <= count
    assert light.min() >= 0 and light.max() < len(light_vertices)
