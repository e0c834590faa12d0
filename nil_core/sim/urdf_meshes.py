"""The mesh files of a URDF: where they lie, in formats that MuJoCo reads."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np

from nil_core.storage.cache import Arrays, cached, fingerprint

_READ_BY_MUJOCO = (".obj", ".stl", ".msh")
_MATERIALS = ("library_materials", "library_effects", "library_images", "bind_material")  # of Collada
_RECIPE = "obj 1"  # part of the cache's key: raise the number when the code changes
_STL_HEADER, _STL_TRIANGLE, _MOST_STL_TRIANGLES = 84, 50, 200_000  # bytes, bytes; what MuJoCo reads of one file


def load_meshes(robot: ET.Element, urdf: Path, folders: Sequence[Path] = ()) -> dict[str, bytes]:
    """The meshes by the file names that the elements get here.

    Args:
        robot: the element ``robot``; the file names of its meshes are changed.
        urdf: the file.
        folders: where meshes are looked for first, by their whole name and without its folders.

    Raises:
        FileNotFoundError: a mesh is nowhere.
    """
    files: dict[str, Path] = {}  # MuJoCo knows a mesh by its stem, so every file gets one of its own
    for mesh in robot.iter("mesh"):
        file = _find(mesh.get("filename", ""), urdf, folders)
        stem = file.stem
        while files.setdefault(stem, file) != file:
            stem += "_"
        mesh.set("filename", stem + _suffix(file))
    return {
        stem + _suffix(file): file.read_bytes() if _is_read_by_mujoco(file) else _as_obj(file)
        for stem, file in files.items()
    }


def _find(filename: str, urdf: Path, folders: Sequence[Path]) -> Path:
    """A mesh file, named relative to the URDF or to any folder above it (``package://``, with two slashes or three).

    Raises:
        FileNotFoundError: there is none.
    """
    relative = filename.removeprefix("package://").removeprefix("file://").lstrip("/")
    places = [folder / name for folder in folders for name in (relative, Path(relative).name)]
    places += [folder / relative for folder in urdf.absolute().parents]
    for place in places:
        if relative and place.is_file():
            return place
    raise FileNotFoundError(filename)


def _suffix(file: Path) -> str:
    return file.suffix if _is_read_by_mujoco(file) else ".obj"


@cache
def _is_read_by_mujoco(file: Path) -> bool:
    """MuJoCo reads no Collada, and of STL only binary files of a limited size."""
    suffix = file.suffix.lower()
    if suffix != ".stl":
        return suffix in _READ_BY_MUJOCO
    with file.open("rb") as stream:
        header = stream.read(_STL_HEADER)
    triangles = int.from_bytes(header[-4:], "little")
    whole = file.stat().st_size == _STL_HEADER + _STL_TRIANGLE * triangles
    return not (header.startswith(b"solid") and not whole) and triangles <= _MOST_STL_TRIANGLES


@cache
def _as_obj(path: Path) -> bytes:
    """Geometry of a file in meters, its node transforms applied, as the bytes of an OBJ file.

    Raises:
        ValueError: there is none in it.
    """
    content, suffix = path.read_bytes(), path.suffix.lower()

    def make() -> Arrays:
        return {"obj": np.frombuffer(_converted(content, suffix, path.name), np.uint8)}

    return cached("meshes", fingerprint(_RECIPE, suffix, content), make, ("obj",))[0]["obj"].tobytes()


def _converted(content: bytes, suffix: str, name: str) -> bytes:
    import trimesh  # a third of a second that most processes do not need

    if suffix == ".dae":
        content = _without_materials(content)
    mesh = trimesh.load_mesh(BytesIO(content), file_type=suffix[1:])
    if not len(mesh.faces):
        raise ValueError(f"no triangles are found in the mesh {name}")
    # Without the texture coordinates, which split vertices.
    bare = trimesh.Trimesh(mesh.vertices, np.asarray(mesh.faces), process=False)
    bare.merge_vertices()
    return str(bare.export(file_type="obj", include_normals=False, include_color=False, include_texture=False)).encode()


def _without_materials(collada: bytes) -> bytes:
    """A Collada file without its materials: where one of them lacks its texture, the shape would be left out too."""
    for tag in _MATERIALS:
        collada = re.sub(rf"<{tag}\b.*?</{tag}>|<{tag}\s*/>".encode(), b"", collada, flags=re.DOTALL)
    return collada
