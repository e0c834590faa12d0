"""URDF files as MuJoCo models."""

from __future__ import annotations

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


@pytest.mark.parametrize("marker_first", [True, False])
def test_a_massless_link_below_the_base_is_left_out(tmp_path, marker_first: bool):
    marker = link("base", mass=None), joint("base_joint", "base", "trunk", "fixed")
    rest = link("trunk"), link("arm"), joint("elbow", "trunk", "arm")
    path = written(tmp_path, *((*marker, *rest) if marker_first else (*rest, *marker)))
    model = read_urdf(path, {"elbow"}, INSTALL).compile()
    assert [model.body(i).name for i in range(model.nbody)] == ["world", "trunk", "arm"]


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
