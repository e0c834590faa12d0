"""Meshes of what MuJoCo draws: on the surfaces of its geoms, in their colors, body by body."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from nil_core import registry
from nil_core.sim import gl
from nil_core.sim.visual_meshes import VisualMesh, visual_meshes

gl.choose_backend()

import mujoco  # noqa: E402

from nil_core.sim.scene import FLOOR, compose  # noqa: E402

KINDS = mujoco.mjtGeom
TETRAHEDRON = "0 0 0  0.2 0 0  0 0.3 0  0 0 0.4"
SHAPES = f"""
<mujoco>
  <asset>
    <mesh name="wedge" vertex="{TETRAHEDRON}"/>
    <texture name="squares" type="2d" builtin="checker" rgb1="1 0 0" rgb2="0 0 1" width="8" height="8"/>
    <material name="checked" texture="squares"/>
    <material name="green" rgba="0 1 0 0.5"/>
  </asset>
  <worldbody>
    <geom name="{FLOOR}" type="plane" size="0 0 1"/>
    <geom name="slab" type="plane" size="0.5 0.2 1" pos="1 0 1"/>
    <body name="arm" pos="0 0 1" euler="20 30 40">
      <freejoint/>
      <geom name="ball" size="0.1" pos="0 0 0.3" rgba="1 0 0 1"/>
      <geom name="capsule" type="capsule" size="0.05 0.2" euler="30 0 0" rgba="1 0 0 1"/>
      <geom name="box" type="box" size="0.1 0.2 0.3" pos="0.3 0 0" euler="0 30 0" material="checked"/>
      <geom name="hidden" type="box" size="1 1 1" group="3" rgba="1 0 0 1"/>
      <geom name="clear" type="box" size="1 1 1" rgba="1 0 0 0"/>
      <body name="hand" pos="0 0.4 0" euler="0 0 70">
        <joint axis="1 0 0"/>
        <geom name="cylinder" type="cylinder" size="0.1 0.2" euler="0 60 0" rgba="0 0 1 1"/>
        <geom name="egg" type="ellipsoid" size="0.1 0.2 0.3" pos="0 0 0.1" material="green"/>
        <geom name="wedge" type="mesh" mesh="wedge" pos="0.1 0 0" euler="0 0 20" rgba="0 0 1 1"/>
      </body>
    </body>
  </worldbody>
</mujoco>
"""


def posed(model: mujoco.MjModel) -> mujoco.MjData:
    data = mujoco.MjData(model)
    data.qpos[:] += 0.2
    mujoco.mj_kinematics(model, data)
    return data


def parts(model: mujoco.MjModel, mesh: VisualMesh) -> dict[int, trimesh.Trimesh]:
    """Geom id to the connected piece of a mesh that is its, by order."""
    whole = trimesh.Trimesh(mesh.vertices, mesh.triangles, process=False)
    pieces = trimesh.graph.connected_components(whole.face_adjacency, nodes=np.arange(len(whole.faces)), min_len=1)
    ordered = sorted(pieces, key=lambda faces: int(min(faces)))
    return {
        geom: trimesh.Trimesh(whole.vertices, whole.faces[faces])
        for geom, faces in zip(mesh.geoms, ordered, strict=True)
    }


def distance_to_surface(kind: int, size: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Of points (N, 3) in the frame of a geom; 0 on it."""
    if kind == KINDS.mjGEOM_SPHERE:
        return np.linalg.norm(at, axis=1) - size[0]
    if kind == KINDS.mjGEOM_CAPSULE:
        axis = np.clip(at[:, 2], -size[1], size[1])[:, None] * [0, 0, 1]
        return np.linalg.norm(at - axis, axis=1) - size[0]
    if kind == KINDS.mjGEOM_CYLINDER:
        return np.maximum(np.linalg.norm(at[:, :2], axis=1) - size[0], abs(at[:, 2]) - size[1])
    if kind == KINDS.mjGEOM_ELLIPSOID:
        return np.linalg.norm(at / size, axis=1) - 1
    if kind == KINDS.mjGEOM_PLANE:
        return np.maximum(abs(at[:, 2]), abs(abs(at[:, :2]) - size[:2]).max(axis=1))
    return (abs(at) - size).max(axis=1)


def volume(kind: int, size: np.ndarray) -> float:
    ball, tube = 4 / 3 * np.pi * size[0] ** 3, 2 * np.pi * size[0] ** 2 * size[1]
    return {
        KINDS.mjGEOM_SPHERE: ball,
        KINDS.mjGEOM_CAPSULE: ball + tube,
        KINDS.mjGEOM_CYLINDER: tube,
        KINDS.mjGEOM_ELLIPSOID: 4 / 3 * np.pi * np.prod(size),
        KINDS.mjGEOM_BOX: 8 * np.prod(size),
        KINDS.mjGEOM_MESH: 0.2 * 0.3 * 0.4 / 6,
    }[kind]


def test_shapes_lie_where_mujoco_has_them() -> None:
    model = mujoco.MjModel.from_xml_string(SHAPES)
    data, seen = posed(model), set()
    for mesh in visual_meshes(model):
        for geom, piece in parts(model, mesh).items():
            name, kind, size = model.geom(geom).name, KINDS(model.geom_type[geom]), model.geom_size[geom]
            seen.add(name)
            assert model.geom_bodyid[geom] == mesh.body
            world = piece.vertices @ data.xmat[mesh.body].reshape(3, 3).T + data.xpos[mesh.body]
            at = (world - data.geom_xpos[geom]) @ data.geom_xmat[geom].reshape(3, 3)
            if kind != KINDS.mjGEOM_PLANE:
                assert piece.volume == pytest.approx(volume(kind, size), rel=0.05), f"{name} faces outwards"
            if kind != KINDS.mjGEOM_MESH:
                assert abs(distance_to_surface(kind, size, at)).max() < 1e-6, name
    assert seen == {"slab", "ball", "capsule", "box", "cylinder", "egg", "wedge"}


def test_one_mesh_for_each_body_and_color() -> None:
    model = mujoco.MjModel.from_xml_string(SHAPES)
    looks = {
        (model.body(mesh.body).name, *mesh.color, mesh.opacity): [model.geom(geom).name for geom in mesh.geoms]
        for mesh in visual_meshes(model)
    }
    assert looks == {
        ("world", 128, 128, 128, 1.0): ["slab"],
        ("arm", 128, 0, 128, 1.0): ["box"],
        ("arm", 255, 0, 0, 1.0): ["ball", "capsule"],
        ("hand", 0, 0, 255, 1.0): ["cylinder", "wedge"],
        ("hand", 0, 255, 0, 0.5): ["egg"],
    }


def test_meshes_of_a_robot(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """Those of the training scene, with few triangles: every vertex is where MuJoCo has it."""
    monkeypatch.setenv("NIL_CACHE", str(tmp_path))
    scene = compose(registry.build("robot", "a1", {}), "pd", 0.004, 64)
    model, data = scene.model, mujoco.MjData(scene.model)
    data.qpos[:] = scene.standing_qpos
    mujoco.mj_kinematics(model, data)
    shown = [g for g in range(model.ngeom) if model.geom_group[g] == 2]
    meshes = visual_meshes(model)
    assert sorted(geom for mesh in meshes for geom in mesh.geoms) == shown and len(meshes) <= len(shown)
    for mesh in meshes:
        world = mesh.vertices @ data.xmat[mesh.body].reshape(3, 3).T + data.xpos[mesh.body]
        expected = []
        for geom in mesh.geoms:
            first, count = model.mesh_vertadr[model.geom_dataid[geom]], model.mesh_vertnum[model.geom_dataid[geom]]
            own = model.mesh_vert[first : first + count]
            expected.append(own @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom])
        assert world == pytest.approx(np.concatenate(expected), abs=1e-6)
        assert mesh.triangles.max() < len(mesh.vertices)
