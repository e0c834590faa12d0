"""URDF files as MuJoCo models."""

from __future__ import annotations

import re
from pathlib import Path

import mujoco
import pytest
import trimesh

from nil_core.api import DataError, read_urdf

INSTALL = "pip install a-robot"
FREE, HINGE = mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_HINGE


def link(name: str, mass: float | None = 1.0, mesh: str = "") -> str:
    inertia = '<inertia ixx="0.1" iyy="0.1" izz="0.1" ixy="0" ixz="0" iyz="0"/>'
    inertial = "" if mass is None else f'<inertial><mass value="{mass}"/>{inertia}</inertial>'
    shape = f'<mesh filename="{mesh}"/>' if mesh else '<box size="0.1 0.1 0.1"/>'
    geometry = f"<geometry>{shape}</geometry>"
    return f'<link name="{name}">{inertial}<visual>{geometry}</visual><collision>{geometry}</collision></link>'


def joint(name: str, parent: str, child: str, kind: str = "revolute") -> str:
    moving = '<axis xyz="0 1 0"/><limit lower="-1" upper="2" effort="7" velocity="1"/>' if kind == "revolute" else ""
    ends = f'<parent link="{parent}"/><child link="{child}"/>'
    return f'<joint name="{name}" type="{kind}">{ends}{moving}</joint>'


def written(folder: Path, *parts: str) -> Path:
    path = folder / "share" / "maker" / "urdf" / "robot.urdf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'<robot name="robot">{"".join(parts)}</robot>')
    return path


def mesh_file(folder: Path, name: str, side: float) -> None:
    path = folder / "share" / "maker" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    trimesh.creation.box((side, side, side)).export(path)


def test_the_root_floats_and_driven_joints_keep_their_limits(tmp_path):
    path = written(tmp_path, link("trunk"), link("arm", 2.0), joint("elbow", "trunk", "arm"))
    model = read_urdf(path, {"elbow"}, INSTALL).compile()
    assert model.jnt_type.tolist() == [FREE, HINGE]
    assert model.body(model.jnt_bodyid[0]).name == "trunk" and model.joint(0).name == "root"
    assert model.joint("elbow").range.tolist() == [-1, 2]
    assert model.jnt_actfrcrange[1].tolist() == [-7, 7]
    assert model.body_mass.tolist() == [0, 1, 2]  # geoms add none


def test_other_joints_are_welded_and_keep_their_mass(tmp_path):
    parts = link("trunk"), link("arm", 2.0), link("hand", 3.0), joint("elbow", "trunk", "arm")
    spec = read_urdf(written(tmp_path, *parts, joint("wrist", "arm", "hand")), {"elbow"}, INSTALL)
    assert [j.name for j in spec.joints] == ["root", "elbow"]
    spec.fuse_static()
    assert spec.compile().body_mass.tolist() == [0, 1, 5]


def test_visuals_and_colliders_are_told_apart(tmp_path):
    spec = read_urdf(written(tmp_path, link("trunk")), (), INSTALL)
    groups = {geom.group: (geom.contype, geom.conaffinity) for geom in spec.geoms}
    assert groups == {2: (0, 0), 3: (1, 1)}


MARK = '<visual><geometry><box size="0.001 0.001 0.001"/></geometry></visual>'
PLACEHOLDER = '<inertial><mass value="0"/><inertia ixx="0" iyy="0" izz="0" ixy="0" ixz="0" iyz="0"/></inertial>'


@pytest.mark.parametrize("content", ["", MARK, PLACEHOLDER])
@pytest.mark.parametrize("marker_first", [True, False])
def test_a_link_that_only_marks_the_base_is_left_out(tmp_path, marker_first: bool, content: str):
    marker = (
        *('<link name="world"/>', joint("float", "world", "base", "floating")),
        *(f'<link name="base">{content}</link>', joint("base_joint", "base", "trunk", "fixed")),
    )
    rest = link("trunk"), link("arm"), joint("elbow", "trunk", "arm")
    path = written(tmp_path, *((*marker, *rest) if marker_first else (*rest, *marker)))
    model = read_urdf(path, {"elbow"}, INSTALL).compile()
    assert [model.body(i).name for i in range(model.nbody)] == ["world", "trunk", "arm"]


@pytest.mark.parametrize("inertial", ["", PLACEHOLDER])
def test_a_root_link_without_mass_that_is_seen_is_a_body(tmp_path, inertial: str):
    base = link("base", mass=None).replace("<visual>", f"{inertial}<visual>", 1)
    path = written(tmp_path, base, link("trunk", 6.0), joint("fix", "base", "trunk", "fixed"), link("arm"),
                   joint("elbow", "base", "arm"))  # fmt: skip
    model = read_urdf(path, {"elbow"}, INSTALL).compile()
    assert [model.body(i).name for i in range(model.nbody)] == ["world", "base", "trunk", "arm"]
    assert model.body_mass.tolist() == [0, 0, 6, 1], "welded to a link with mass, it needs none"


def test_a_link_that_moves_without_inertia_has_that_of_its_colliders_as_in_mujoco(tmp_path):
    path = written(tmp_path, link("base", mass=None), link("arm"), joint("elbow", "base", "arm"))
    model = read_urdf(path, {"elbow"}, INSTALL).compile()
    assert model.body("base").mass[0] == pytest.approx(1.0)  # (0.1 m)^3 of water
    looks = '<link name="base"><visual><geometry><box size="0.1 0.1 0.2"/></geometry></visual></link>'
    path = written(tmp_path, looks, link("arm"), joint("elbow", "base", "arm"))
    assert read_urdf(path, {"elbow"}, INSTALL).compile().body("base").mass[0] == pytest.approx(2.0)


def test_an_element_mujoco_is_merged_with_what_is_needed(tmp_path):
    mesh_file(tmp_path, "urdf/looks/part.stl", 0.2)
    extra = (
        '<mujoco model="one"><compiler meshdir="looks" discardvisual="true" fusestatic="true"/>'
        '<option gravity="0 0 -3"/></mujoco>'
    )
    more = (
        '<mujoco model="other"><size njmax="500"/><compiler discardvisual="false" meshdir="gone" boundmass="5"/>'
        '<option gravity="0 0 -3"><flag contact="disable"/></option><option><flag limit="disable"/></option></mujoco>'
    )
    parts = link("trunk", mesh="package://gone/meshes/part.stl"), link("arm"), joint("weld", "trunk", "arm", "fixed")
    model = read_urdf(written(tmp_path, extra, more, *parts), (), INSTALL).compile()
    assert model.opt.gravity[2] == -3 and model.nmesh == 1
    assert model.nbody == 3 and model.ngeom == 4, "links and looks stay"
    assert model.body("arm").mass[0] == 5 and model.opt.disableflags.bit_count() == 2
    against = '<mujoco><option gravity="0 0 -9"/></mujoco>'
    with pytest.raises(DataError, match="elements option contradict each other: gravity='0 0 -3'"):
        read_urdf(written(tmp_path, extra, against, *parts), (), INSTALL)


def test_colliders_have_names(tmp_path):
    spec = read_urdf(written(tmp_path, link("trunk"), link("arm"), joint("elbow", "trunk", "arm")), {"elbow"}, INSTALL)
    names = [geom.name for geom in spec.geoms if geom.group == 3]
    assert len(set(names)) == 2 and all("collider" in name for name in names)


IMPOSSIBLE = (
    '<inertia ixx="9" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/>',
    '<inertia ixx="1" iyy="1" izz="1" ixy="2" ixz="0" iyz="0"/>',
    '<inertia ixx="0" iyy="0" izz="0" ixy="0" ixz="1.4e-20" iyz="0"/>',
)


@pytest.mark.parametrize("inertia", IMPOSSIBLE)
def test_inertias_that_no_body_has_are_mended_where_asked(tmp_path, inertia: str):
    trunk = f'<link name="trunk"><inertial><mass value="2"/>{inertia}</inertial></link>'
    path = written(tmp_path, trunk, link("arm"), joint("elbow", "trunk", "arm"))
    with pytest.raises(DataError):
        read_urdf(path, {"elbow"}, INSTALL)
    body = read_urdf(path, {"elbow"}, INSTALL, balanced=True).compile().body("trunk")
    least, middle, most = sorted(body.inertia)
    assert body.mass[0] == 2 and least > 0 and most <= (least + middle) * (1 + 1e-9)


def test_links_without_mass_between_joints_are_mended_too(tmp_path):
    """As where a hip of three axes is made of three joints."""
    path = written(tmp_path, link("trunk"), '<link name="virtual"/>', link("leg"), joint("roll", "trunk", "virtual"),
                   joint("pitch", "virtual", "leg"))  # fmt: skip
    with pytest.raises(DataError, match="mass and inertia of moving bodies"):
        read_urdf(path, {"roll", "pitch"}, INSTALL)
    model = read_urdf(path, {"roll", "pitch"}, INSTALL, balanced=True).compile()
    assert model.body_mass.tolist() == [0, 1, 0.001, 1]


def test_shapes_of_no_size_and_flat_looks_do_not_keep_a_robot_out(tmp_path):
    path = tmp_path / "share" / "maker" / "flat.obj"
    path.parent.mkdir(parents=True)
    path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 1 1 0\nf 1 2 3\nf 2 4 3\n")
    point = '<visual><geometry><box size="0 0 0"/></geometry></visual>'
    trunk = link("trunk").replace("</link>", f"{point}</link>")
    looks = '<visual><geometry><mesh filename="../flat.obj"/></geometry></visual></link>'
    model = read_urdf(written(tmp_path, trunk.replace("</link>", looks)), (), INSTALL).compile()
    assert model.ngeom == 3 and model.nmesh == 1


def test_a_collada_mesh_keeps_its_shape_though_its_material_is_broken(tmp_path):
    path = tmp_path / "share" / "maker" / "part.dae"
    path.parent.mkdir(parents=True)
    content = exported(trimesh.creation.box((0.2, 0.2, 0.2)), "dae").decode()
    assert "<bind_material>" in content
    path.write_text(re.sub("<library_(effects|materials)>.*?</library_.*?>", "", content, flags=re.DOTALL))
    model = read_urdf(written(tmp_path, link("trunk", mesh="../part.dae")), (), INSTALL).compile()
    assert model.geom_rbound.max() == pytest.approx(0.1 * 3**0.5, rel=1e-4)


@pytest.mark.parametrize("kind", ["stl_ascii", "ply", "dae"])
def test_meshes_that_mujoco_does_not_read_are_converted(tmp_path, kind: str):
    suffix = kind.split("_")[0]
    path = tmp_path / "share" / "maker" / f"part.{suffix}"
    path.parent.mkdir(parents=True)
    path.write_bytes(exported(trimesh.creation.box((0.2, 0.2, 0.2)), kind))
    model = read_urdf(written(tmp_path, link("trunk", mesh=f"../part.{suffix}")), (), INSTALL).compile()
    assert model.geom_rbound.max() == pytest.approx(0.1 * 3**0.5, rel=1e-4)


def exported(mesh: trimesh.Trimesh, kind: str) -> bytes:
    content = mesh.export(file_type=kind)
    return content.encode() if isinstance(content, str) else content


@pytest.mark.parametrize("name", ["package://maker/a/part.stl", "package:///maker/a/part.stl", "../a/part.stl"])
def test_meshes_are_found(tmp_path, name: str):
    mesh_file(tmp_path, "a/part.stl", 0.2)
    model = read_urdf(written(tmp_path, link("trunk", mesh=name)), (), INSTALL).compile()
    assert model.nmesh == 1 and model.geom_rbound.max() == pytest.approx(0.1 * 3**0.5)


def test_meshes_of_one_name_in_two_folders_stay_apart(tmp_path):
    for folder, side in (("a", 0.2), ("b", 0.4), ("c", 0.6)):
        mesh_file(tmp_path, f"{folder}/part.stl", side)
    links = [link(f, mesh=f"package://maker/{f}/part.stl") for f in "abc"]
    path = written(tmp_path, *links, joint("ab", "a", "b"), joint("bc", "b", "c"))
    model = read_urdf(path, {"ab", "bc"}, INSTALL).compile()
    sizes = {model.body(model.geom_bodyid[g]).name: model.geom_rbound[g] / 3**0.5 for g in range(model.ngeom)}
    assert sizes == pytest.approx({"a": 0.1, "b": 0.2, "c": 0.3})


@pytest.mark.parametrize(
    "text",
    [None, "<robot", "<robot/>", '<robot name="r">' + link("trunk", mesh="package://maker/none.stl") + "</robot>"],
    ids=["no file", "no xml", "no links", "no mesh"],
)
def test_what_cannot_be_read_is_one_line_and_the_remedy(tmp_path, text: str | None):
    path = tmp_path / "robot.urdf"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=r"robot\.urdf") as caught:
        read_urdf(path, (), INSTALL)
    assert caught.value.hint == INSTALL and "\n" not in caught.value.message
